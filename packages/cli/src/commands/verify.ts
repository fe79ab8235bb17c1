/**
 * `live-response verify`
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Arguments from "../Arguments.ts"
import * as Flags from "../Flags.ts"

/** Help and mistakes are answered before files are loaded. */
const loadVerify = Effect.promise(() => import("../Verify.ts"))

export const verify = Command.make(
  "verify",
  {
    named: Arguments.directory,
    directory: Flags.directory,
    ...Flags.printing,
  },
  Effect.fnUntraced(function* ({ directory, named, ...options }) {
    const Verify = yield* loadVerify
    yield* Verify.run(
      Option.getOrElse(named, () => directory),
      options,
    )
  }),
).pipe(
  Command.withShortDescription("Check that downloaded results are unchanged"),
  Command.withDescription(
    "Check that each result in a directory still has the size and the SHA-256 that its manifest records. Exits with 1 where a result differs or is missing, where a file has the name of a result that the manifest does not record, and where a line of the manifest is damaged. It reads alone, calls nothing, and a download may be at work there.",
  ),
  Command.withExamples([
    { command: "live-response verify case-4711", description: "All results of a case" },
    { command: "live-response verify case-4711 --json | jq 'select(.event == \"differs\")'", description: "In a pipe" },
  ]),
)
