/**
 * Flags that several commands have.
 */
import * as Cloud from "@live-response/core/Cloud"
import * as Quota from "@live-response/core/Quota"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Failure, fromError, usage } from "./Failure.ts"
import * as Format from "./output/Format.ts"

/** A whole number between two others, whether it comes from the command line, the environment or the default. */
export const between = (minimum: number, maximum: number) =>
  Flag.filter(
    (value: number) => value >= minimum && value <= maximum,
    () => `a whole number from ${minimum} to ${Format.count(maximum)}`,
  )

const limit = (name: string, unit: string) =>
  Flag.Int(name).pipe(
    between(1, 1_000_000),
    Flag.withMetavar("N"),
    Flag.withDescription(`Calls for links in any ${unit}`),
  )

/** How many calls there may be: for the program that calls, as a choice; see `windowsOf`. */
export const quota = {
  perMinute: limit("per-minute", "minute; the vendor's limit is 100 (LIVE_RESPONSE_PER_MINUTE)").pipe(Flag.optional),
  perHour: limit("per-hour", "hour; the vendor's limit is 1,500 (LIVE_RESPONSE_PER_HOUR)").pipe(Flag.optional),
  windows: Flag.String("window").pipe(
    Flag.mapTryCatch(Schema.decodeSync(QuotaRule.WindowFromString), () => '"<limit>/<duration>", as in "100/1 minute"'),
    Flag.atLeast(0),
    Flag.withMetavar("LIMIT/DURATION"),
    Flag.withDescription(
      'In place of those two, any windows: --window "20/10 seconds" (LIVE_RESPONSE_WINDOWS, with commas)',
    ),
  ),
  polite: Flag.Boolean("polite").pipe(
    Flag.withDefault(false),
    Flag.withDescription(
      "Space the calls evenly, so that others who use the app always find a place (LIVE_RESPONSE_POLITE)",
    ),
  ),
}

/** The windows that were chosen, else what the environment says, else the vendor's. */
export const windowsOf = Effect.fnUntraced(function* (options: {
  readonly perMinute: Option.Option<number>
  readonly perHour: Option.Option<number>
  readonly windows: ReadonlyArray<QuotaRule.Window>
  readonly polite: boolean
}): Effect.fn.Return<ReadonlyArray<QuotaRule.Window>, Failure> {
  const limits = {
    perMinute: Option.getOrUndefined(options.perMinute),
    perHour: Option.getOrUndefined(options.perHour),
  }
  const areLimited = limits.perMinute !== undefined || limits.perHour !== undefined
  if (areLimited && options.windows.length > 0) {
    return yield* usage("choose --window, or --per-minute and --per-hour; a --window says it all")
  }
  const chosen = areLimited
    ? Quota.windows(limits)
    : options.windows.length > 0
      ? options.windows
      : yield* Effect.mapError(Quota.config, fromError)
  return options.polite ? Quota.evenly(chosen) : chosen
})

/** How many calls there may be: for the service that is simulated. */
export const accepted = {
  perMinute: limit("per-minute", "minute that are accepted").pipe(Flag.withDefault(Quota.linkLimits.perMinute)),
  perHour: limit("per-hour", "hour that are accepted").pipe(Flag.withDefault(Quota.linkLimits.perHour)),
}

export const directory = Flag.String("out").pipe(
  Flag.withAlias("o"),
  Flag.withFallbackConfig(Config.NonEmptyString("LIVE_RESPONSE_OUT")),
  Flag.withDefault("live-response-results"),
  Flag.withMetavar("DIR"),
  Flag.withDescription("Where results and their manifest are kept (LIVE_RESPONSE_OUT)"),
)

export const endpoint = Flag.String("endpoint").pipe(
  Flag.withFallbackConfig(Config.NonEmptyString("LIVE_RESPONSE_ENDPOINT")),
  Flag.withDefault(Cloud.commercial.base),
  Flag.filter(Schema.is(Cloud.Endpoint), () => "an https URL; plain http is for 127.0.0.1, [::1] and localhost alone"),
  Flag.withMetavar("URL"),
  Flag.withDescription("Base of the API's addresses (LIVE_RESPONSE_ENDPOINT)"),
)
