/**
 * `live-response status`
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Directory from "../../flags/Directory.ts"
import * as Printing from "../../flags/Printing.ts"

/** Help and usage errors do not load what reads results. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

export const status = Command.make(
  "status",
  { ...Directory.parameters, json: Printing.json },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.print(yield* Directory.given(options), options)
  }),
).pipe(
  Command.withShortDescription("Count what is in a directory, and why the rest failed"),
  Command.withDescription(
    "Count the machines and results of a directory, and name the three most frequent failures. Reads what was recorded and opens no result, so it answers at once, also while a download or a run works there. Makes no API call.",
  ),
  Command.withExamples([{ command: "live-response status case-4711", description: "How far a case is" }]),
)
