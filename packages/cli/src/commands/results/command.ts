/**
 * `live-response results`
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Directory from "../../flags/Directory.ts"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"

/** Help and usage errors do not load what reads results. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

export const results = Command.make(
  "results",
  {
    ...Directory.parameters,
    sqlite: FlagTypes.text("sqlite").pipe(
      Flag.optional,
      Flag.withMetavar("FILE"),
      FlagTypes.describe(
        "Write tables for SQL to this SQLite file instead, with what became of each machine, failed results and fields of outputs",
      ),
    ),
    json: Printing.json,
  },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.write(yield* Directory.given(options), options)
  }),
).pipe(
  Command.withShortDescription("Write a table of all script results in a directory"),
  Command.withDescription(
    "Write a table of all script results in a directory, one row each, to its results.csv and results.jsonl. Makes no API call. A download may be in progress in the directory.",
  ),
  Command.withExamples([
    { command: "live-response results case-4711", description: "The table of a case" },
    {
      command:
        "live-response results case-4711 --sqlite case.sqlite && sqlite3 case.sqlite 'SELECT * FROM stack LIMIT 20'",
      description: "The rarest outputs, with SQL",
    },
  ]),
)
