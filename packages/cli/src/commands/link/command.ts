/**
 * `live-response link`
 */
import * as Permission from "@live-response/core/Permission"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Printing from "../../flags/Printing.ts"
import * as SignIn from "../../flags/SignIn.ts"
import * as ResultArgument from "../../input/ResultArgument.ts"

/** Help and usage errors do not load what calls the API. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

export const link = Command.make(
  "link",
  { result: ResultArgument.argument, ...SignIn.flags, ...SignIn.storageHosts, json: Printing.json },
  Effect.fnUntraced(function* (options) {
    const environment = yield* SignIn.environment(options)
    const handler = yield* loadHandler
    yield* Effect.provide(handler.print(options.result, options), environment)
  }),
).pipe(
  Command.withShortDescription("Print a download link to one result, which is a secret"),
  Command.withDescription(
    `Request a download link to one result, and print it. It is a secret: for half an hour anybody who has it can read the result. Needs the permission ${Permission.describe(Permission.results)}.`,
  ),
  Command.withExamples([
    {
      command: "live-response link 988cc94e-7a8f-4b28-ab65-54970c5d5018:0 | wget -O result -i -",
      description: "Fetch a result with another program",
    },
  ]),
)
