/**
 * `live-response demo`
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Directory from "../../flags/Directory.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import { download } from "../download/command.ts"
import { run as runSessions } from "../run/command.ts"

/** Help and usage errors do not load the server. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

export const demo = Command.make(
  "demo",
  {
    directory: Directory.out,
    run: FlagTypes.toggle("run", "Run a script on simulated machines, and download its results"),
  },
  Effect.fnUntraced(function* ({ directory, run }) {
    const handler = yield* loadHandler
    yield* run
      ? handler.demoRun(directory, Command.runWith(runSessions, { version: "" }))
      : handler.demoDownload(directory, Command.runWith(download, { version: "" }))
  }, Effect.scoped),
).pipe(
  Command.withShortDescription("Download results from a simulated Defender API, or run a script on its machines"),
  Command.withDescription(
    "Download results from a simulated Defender API, with a fault of each kind. With --run, first run a script on its machines.",
  ),
)
