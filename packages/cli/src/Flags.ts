/**
 * Flags that several commands have.
 */
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Schema from "effect/Schema"

export const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const limit = (name: string, variable: string, vendor: number, unit: string) => {
  const schema = between(1, 1_000_000)
  return Flag.Int(name).pipe(
    Flag.withSchema(schema),
    Flag.withFallbackConfig(Config.schema(schema, variable)),
    Flag.withDefault(vendor),
    Flag.withMetavar("N"),
    Flag.withDescription(`Calls for links in any ${unit}; the vendor's limit is ${vendor} (${variable})`),
  )
}

export const perMinute = limit("per-minute", "LIVE_RESPONSE_PER_MINUTE", 100, "minute")

export const perHour = limit("per-hour", "LIVE_RESPONSE_PER_HOUR", 1500, "hour")

export const directory = Flag.String("out").pipe(
  Flag.withAlias("o"),
  Flag.withFallbackConfig(Config.NonEmptyString("LIVE_RESPONSE_OUT")),
  Flag.withDefault("live-response-results"),
  Flag.withMetavar("DIR"),
  Flag.withDescription("Where results and their manifest are kept (LIVE_RESPONSE_OUT)"),
)
