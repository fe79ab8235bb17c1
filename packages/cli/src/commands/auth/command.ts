/**
 * `live-response auth`
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "../../flags/Flags.ts"

/** Help and mistakes are answered before anything else is loaded. */
const loadReport = Effect.promise(() => import("./handler.ts"))

const check = Command.make(
  "check",
  {
    ...Flags.signIn,
    json: Flags.toggle("json", "Print one JSON object"),
  },
  Effect.fnUntraced(function* (options) {
    const environment = yield* Flags.signingIn(options)
    const AuthReport = yield* loadReport
    yield* Effect.provide(AuthReport.print(options), environment)
  }),
).pipe(
  Command.withDescription(
    "Sign in, and show whose token it is, what it permits, and which commands that suffices for. It calls the sign-in server alone, and needs no permission. The token is a hint: the API has the last word.",
  ),
  Command.withExamples([
    { command: "live-response auth check", description: "With what the environment has" },
    { command: "live-response auth check --auth device-code --cloud gcc-high", description: "As a user, in GCC High" },
  ]),
)

export const auth = Command.make("auth").pipe(
  Command.withDescription("How this program signs in"),
  Command.withSubcommands([check]),
)
