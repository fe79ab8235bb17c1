/**
 * `live-response simulate`
 */
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FlagTypes from "../../flags/FlagTypes.ts"
import * as Quota from "../../flags/Quota.ts"

/** Help and usage errors do not load the server. */
const loadHandler = Effect.promise(() => import("./handler.ts"))

/** An integer with a default, both of which the help states. */
const integer = (name: string, minimum: number, maximum: number, byDefault: number, sentence: string) =>
  FlagTypes.wholeNumber(name, minimum, maximum).pipe(
    Flag.withDefault(byDefault),
    FlagTypes.describe(sentence, { values: FlagTypes.range(minimum, maximum), default: byDefault }),
  )

/** A limit of the simulated service. */
const limit = (name: string, unit: string, byDefault: number) =>
  Quota.limit(name).pipe(
    Flag.withDefault(byDefault),
    FlagTypes.describe(`How many requests for links the service accepts in any ${unit}`, {
      values: Quota.limitRange,
      default: byDefault,
    }),
  )

export const simulate = Command.make(
  "simulate",
  {
    port: FlagTypes.wholeNumber("port", 0, 65_535).pipe(
      Flag.withDefault(0),
      FlagTypes.describe("Port on 127.0.0.1", { values: "0 to 65535", default: "0, any free port" }),
    ),
    results: integer("results", 1, 100_000, 60, "How many results the service has"),
    machines: integer("machines", 0, 100_000, 12, "How many machines the service has"),
    perMinute: limit("per-minute", "minute", QuotaRule.linkLimits.perMinute),
    perHour: limit("per-hour", "hour", QuotaRule.linkLimits.perHour),
    linkLifetime: integer("link-lifetime", 0, 86_400, 1800, "How many seconds a link is valid").pipe(
      Flag.withMetavar("SECONDS"),
    ),
  },
  Effect.fnUntraced(function* (options) {
    const handler = yield* loadHandler
    return yield* handler.serve(options)
  }, Effect.scoped),
).pipe(
  Command.withShortDescription("Serve a simulated Defender API, to try this program without a tenant"),
  Command.withDescription(
    "Serve a simulated Defender API on 127.0.0.1 until Ctrl-C, to try this program without a tenant.",
  ),
)
