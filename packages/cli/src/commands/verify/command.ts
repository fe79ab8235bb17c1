/**
 * `live-response verify`
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Directory from "../../flags/Directory.ts"
import * as Printing from "../../flags/Printing.ts"

/** Help and usage errors do not load what reads results. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

export const verify = Command.make(
  "verify",
  { ...Directory.parameters, ...Printing.flags },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    yield* handler.verify(yield* Directory.given(options), options)
  }),
).pipe(
  Command.withShortDescription("Check that downloaded results are unchanged"),
  Command.withDescription(
    "Check that each result in a directory still has the size and SHA-256 that its manifest records. Exits with 1 if a result differs or is missing, a file with the name of a result has no record, or a line of the manifest is damaged. A result whose storage announced neither its length nor an MD5 is reported as unchecked: it may have been incomplete when it was downloaded. Writes nothing and makes no API call. A download may be in progress in the directory.",
  ),
  Command.withExamples([
    { command: "live-response verify case-4711", description: "All results of a case" },
    { command: "live-response verify case-4711 --json | jq 'select(.event == \"differs\")'", description: "In a pipe" },
  ]),
)
