/**
 * Flags that several commands have.
 */
import * as Cloud from "@live-response/core/Cloud"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Schema from "effect/Schema"
import * as Format from "./output/Format.ts"

/** A whole number between two others, whether it comes from the command line, the environment or the default. */
export const between = (minimum: number, maximum: number) =>
  Flag.filter(
    (value: number) => value >= minimum && value <= maximum,
    () => `a whole number from ${minimum} to ${Format.count(maximum)}`,
  )

const limit = (name: string, variable: string, vendor: number, unit: string) =>
  Flag.Int(name).pipe(
    Flag.withFallbackConfig(Config.Int(variable)),
    Flag.withDefault(vendor),
    between(1, 1_000_000),
    Flag.withMetavar("N"),
    Flag.withDescription(`Calls for links in any ${unit}; the vendor's limit is ${vendor} (${variable})`),
  )

export const perMinute = limit("per-minute", "LIVE_RESPONSE_PER_MINUTE", 100, "minute")

export const perHour = limit("per-hour", "LIVE_RESPONSE_PER_HOUR", 1500, "hour")

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
