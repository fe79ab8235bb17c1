/**
 * `live-response report`
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Directory from "../../flags/Directory.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"

/** Help and usage errors do not load what reads results. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

export const report = Command.make(
  "report",
  {
    directory: Directory.argument,
    out: FlagTypes.text("out").pipe(
      Flag.withAlias("o"),
      Flag.optional,
      Flag.withMetavar("FILE"),
      FlagTypes.describe("The file to write", { default: "report.html in the directory" }),
    ),
    open: FlagTypes.toggle("open", "Open the report in the browser"),
    json: Printing.json,
  },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.write(options.directory, options)
  }),
).pipe(
  Command.withShortDescription("Write a page that shows all results of a directory"),
  Command.withDescription(
    "Write one HTML file that shows what is in a directory: which machines have results and why others have none, a table of all results, groups of results that are alike, each machine, and all failures. The file needs no server and makes no request; links lead to the results beside it. Makes no API call. A download may be in progress in the directory.",
  ),
  Command.withExamples([
    { command: "live-response report case-4711 --open", description: "Look at a case" },
    { command: "live-response report case-4711 --out reports/4711.html", description: "Write it elsewhere" },
  ]),
)
