/**
 * Flags for the quota of download links: how many calls this program makes in which time.
 */
import * as QuotaRule from "@live-response/core/QuotaRule"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Failure, fromError, usage } from "../Failure.ts"
import * as Format from "../output/Format.ts"
import * as FlagTypes from "./FlagTypes.ts"

const isWindow = (text: string) => Option.isSome(Schema.decodeOption(QuotaRule.WindowFromString)(text))

const [smallest, largest] = [1, 1_000_000]

/** The values of a limit, as help states them. */
export const limitRange = FlagTypes.range(smallest, largest)

/** A number of calls. */
export const limit = (name: string) => FlagTypes.wholeNumber(name, smallest, largest)

const microsoftLimit = (limit: number) => `${Format.count(limit)}, Microsoft's limit`

export const flags = {
  perMinute: limit("per-minute").pipe(
    Flag.optional,
    FlagTypes.describe("Requests for download links in any minute", {
      values: limitRange,
      default: microsoftLimit(QuotaRule.linkLimits.perMinute),
      env: "LIVE_RESPONSE_PER_MINUTE",
    }),
  ),
  perHour: limit("per-hour").pipe(
    Flag.optional,
    FlagTypes.describe("Requests for download links in any hour", {
      values: limitRange,
      default: microsoftLimit(QuotaRule.linkLimits.perHour),
      env: "LIVE_RESPONSE_PER_HOUR",
    }),
  ),
  windows: Flag.String("window").pipe(
    Flag.filter(isWindow, () => '<limit>/<duration>, as in "100/1 minute"'),
    Flag.atLeast(0),
    Flag.withMetavar("LIMIT/DURATION"),
    FlagTypes.describe(
      'Your own window, replacing --per-minute and --per-hour, such as "20/10 seconds"; may be repeated',
      {
        env: "LIVE_RESPONSE_WINDOWS, separated by commas",
      },
    ),
  ),
  polite: FlagTypes.toggle(
    "polite",
    "Space the requests evenly, so that other programs of the same app always get a permit",
    { env: "LIVE_RESPONSE_POLITE" },
  ),
}

/** Loaded only by commands that call: help need not load it. */
const loadQuota = Effect.promise(() => import("@live-response/core/Quota"))

/** The windows: those of the flags, else those of the environment, else Microsoft's limits. */
export const windows = Effect.fnUntraced(function* (
  options: Command.Command.Config.Infer<typeof flags>,
): Effect.fn.Return<ReadonlyArray<QuotaRule.Window>, Failure> {
  const { windows } = options
  const limits = {
    ...Option.match(options.perMinute, { onNone: () => ({}), onSome: (n) => ({ LIVE_RESPONSE_PER_MINUTE: n }) }),
    ...Option.match(options.perHour, { onNone: () => ({}), onSome: (n) => ({ LIVE_RESPONSE_PER_HOUR: n }) }),
  }
  const hasLimits = Object.keys(limits).length > 0
  if (hasLimits && windows.length > 0) {
    return yield* usage("choose either --window, or --per-minute and --per-hour: --window replaces both")
  }
  const given = {
    ...limits,
    ...(hasLimits || windows.length > 0 ? { LIVE_RESPONSE_WINDOWS: windows } : {}),
    ...(options.polite ? { LIVE_RESPONSE_POLITE: "true" } : {}),
  }
  const Quota = yield* loadQuota
  return yield* Quota.config.pipe(
    Effect.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(given), { asPrimary: true })),
    Effect.mapError(fromError),
  )
})
