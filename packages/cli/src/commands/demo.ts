/**
 * `live-response demo`
 */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { exitCode, Failure, machine } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import { printable } from "../Printable.ts"
import { download } from "./download.ts"

/** Slow enough to be watched. */
const latency = Effect.sleep("250 millis")

/** The server is loaded when it is wanted: no other command pays for it. */
const loadSample = Effect.promise(() => import("../Sample.ts"))

export const demo = Command.make(
  "demo",
  { directory: Flags.directory },
  Effect.fnUntraced(function* ({ directory }) {
    const Sample = yield* loadSample
    const results = Sample.results(60)
    const endpoint = yield* Sample.serve(results, { port: 0, latency })
    const list = yield* writeTemporary(
      "targets.txt",
      `# The targets of the demonstration\n${[...results.map(({ ref }) => ref), Sample.missing].join("\n")}\n`,
    )
    const token = yield* writeTemporary("token", Sample.token)

    const args = ["--from", list, "--out", directory, "--endpoint", endpoint, "--token-file", token, "-j", "4"]

    yield* Console.log(
      [
        `A simulated Defender API serves ${results.length} results at ${endpoint}.`,
        "One link is dead on arrival, one body breaks twice, one call is answered with 429, one with 503,",
        "and one of the targets does not exist. This is what runs now:",
        "",
        `  live-response download ${args.map(printable).join(" ")}`,
        "",
      ].join("\n"),
    )
    yield* Command.runWith(download, { version: "" })(args).pipe(
      // The missing target fails, as it must.
      Effect.catchIf(
        (error) => error instanceof Failure && error.code === exitCode.someFailed,
        () => Effect.void,
      ),
    )
    yield* Console.log(
      [
        "",
        "The one that failed is the target that does not exist. Try next:",
        "",
        "  npm start                               nothing is fetched twice",
        `  cat ${printable(directory)}/manifest.jsonl    what came, with its SHA-256`,
        "  npx live-response download --help       the same with your tenant",
        "  npx live-response simulate              the simulator alone, for your own programs",
      ].join("\n"),
    )
  }, Effect.scoped),
).pipe(Command.withDescription("Download a batch from the simulated service: everything that can go wrong does"))

/** A file that is gone when the demonstration is. */
const writeTemporary = Effect.fnUntraced(
  function* (name: string, content: string) {
    const fs = yield* FileSystem.FileSystem
    const path = (yield* Path.Path).join(yield* fs.makeTempDirectoryScoped({ prefix: "live-response-" }), name)
    yield* fs.writeFileString(path, content)
    return path
  },
  Effect.mapError((error) => machine(`can't write a temporary file: ${printable(error.message)}`)),
)
