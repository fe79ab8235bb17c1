/**
 * `live-response link`
 */
import * as Permission from "@live-response/core/Permission"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Arguments from "../../flags/Arguments.ts"
import * as Flags from "../../flags/Flags.ts"

/** Help and mistakes are answered before HTTP is loaded. */
const loadLink = Effect.promise(() => import("./handler.ts"))

export const link = Command.make(
  "link",
  { result: Arguments.result, ...Flags.signIn, ...Flags.links, json: Flags.toggle("json", "Print one JSON object") },
  Effect.fnUntraced(function* (options) {
    const environment = yield* Flags.signingIn(options)
    const Link = yield* loadLink
    yield* Effect.provide(Link.print(options.result, options), environment)
  }),
).pipe(
  Command.withShortDescription("Print a link to one result, which is a secret"),
  Command.withDescription(
    `Make a link to one result, and print it: a secret for half an hour, with which anybody can read the result. Needs the permission ${Permission.describe(Permission.results)}.`,
  ),
  Command.withExamples([
    {
      command: "live-response link 988cc94e-7a8f-4b28-ab65-54970c5d5018:0 | wget -O result -i -",
      description: "Fetch a result with another program",
    },
  ]),
)
