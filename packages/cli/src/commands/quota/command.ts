/**
 * `live-response quota`
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Printing from "../../flags/Printing.ts"
import * as Quota from "../../flags/Quota.ts"
import * as SignIn from "../../flags/SignIn.ts"

/** Help and usage errors do not load what reads the quota store. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

export const quota = Command.make(
  "quota",
  {
    ...SignIn.flags,
    ...Quota.flags,
    calls: FlagTypes.wholeNumber("for", 1, 10_000_000).pipe(
      Flag.optional,
      FlagTypes.describe("Also show when the last of N further links could be requested", {
        values: FlagTypes.range(1, 10_000_000),
      }),
    ),
    json: Printing.json,
  },
  Effect.fnUntraced(function* (options) {
    const environment = yield* SignIn.environment(options)
    const windows = yield* Quota.windows(options)
    const handler = yield* loadHandler
    yield* Effect.provide(handler.print({ ...options, windows }), environment)
  }),
).pipe(
  Command.withShortDescription("Show how much of the quota is used"),
  Command.withDescription(
    "Show how much of this sign-in's quota is used, as the quota store on this machine or in Redis records it. Makes no API call, does not sign in, and needs no permission.",
  ),
  Command.withExamples([
    { command: "live-response quota", description: "The current usage" },
    { command: "live-response quota --for 10000", description: "How long ten thousand results would take" },
  ]),
)
