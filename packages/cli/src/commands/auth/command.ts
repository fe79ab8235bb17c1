/**
 * `live-response auth`
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Printing from "../../flags/Printing.ts"
import * as SignIn from "../../flags/SignIn.ts"

/** Help and usage errors do not load what signs in. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

const check = Command.make(
  "check",
  { ...SignIn.flags, json: Printing.json },
  Effect.fnUntraced(function* (options) {
    const environment = yield* SignIn.environment(options)
    const handler = yield* loadHandler
    yield* Effect.provide(handler.check(options), environment)
  }),
).pipe(
  Command.withDescription(
    "Sign in, and show the token's tenant, app or user, its permissions, and the commands they suffice for. Calls only the sign-in server, and needs no permission. The token is a hint: the API decides.",
  ),
  Command.withExamples([
    { command: "live-response auth check", description: "With the environment's sign-in" },
    { command: "live-response auth check --auth device-code --cloud gcc-high", description: "As a user, in GCC High" },
  ]),
)

export const auth = Command.make("auth").pipe(
  Command.withDescription("Check how this program signs in"),
  Command.withSubcommands([check]),
)
