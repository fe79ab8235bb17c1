/**
 * `live-response quota`
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Flags from "../../flags/Flags.ts"

/** Help and mistakes are answered before anything else is loaded. */
const loadReport = Effect.promise(() => import("./handler.ts"))

export const quota = Command.make(
  "quota",
  {
    ...Flags.signIn,
    ...Flags.quota,
    calls: Flag.Int("for").pipe(
      Flags.between(1, 10_000_000),
      Flag.optional,
      Flag.withMetavar("N"),
      Flag.withDescription("Also tell when the last of so many further links could be had"),
    ),
    json: Flags.toggle("json", "Print one JSON object"),
  },
  Effect.fnUntraced(function* (options) {
    const environment = yield* Flags.signingIn(options)
    const windows = yield* Flags.windowsOf(options)
    const QuotaReport = yield* loadReport
    yield* Effect.provide(QuotaReport.print({ ...options, windows }), environment)
  }),
).pipe(
  Command.withShortDescription("Show how much of the quota is used"),
  Command.withDescription(
    "Show how much of the quota is used, by this run's sign-in: what is known on this machine, or in Redis. It calls nothing, signs in nowhere, and needs no permission.",
  ),
  Command.withExamples([
    { command: "live-response quota", description: "How it stands" },
    { command: "live-response quota --for 10000", description: "How long ten thousand results would take" },
  ]),
)
