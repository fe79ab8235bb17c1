/**
 * `live-response results`
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Arguments from "../../flags/Arguments.ts"
import * as Flags from "../../flags/Flags.ts"

/** Help and mistakes are answered before files are loaded. */
const loadResults = Effect.promise(() => import("./handler.ts"))

export const results = Command.make(
  "results",
  {
    named: Arguments.directory,
    directory: Flags.directory,
    json: Flags.toggle("json", "Print one JSON object"),
  },
  Effect.fnUntraced(function* ({ directory, json, named }) {
    const Results = yield* loadResults
    yield* Results.write(
      Option.getOrElse(named, () => directory),
      { json },
    )
  }),
).pipe(
  Command.withShortDescription("Make a table of all script results in a directory"),
  Command.withDescription(
    "Write the table of all script results in a directory, a row each, to its results.csv and results.jsonl. It calls nothing, and a download may be at work there.",
  ),
  Command.withExamples([{ command: "live-response results case-4711", description: "The table of a case" }]),
)
