/** Durations as people type them. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

const units: Readonly<Record<string, string>> = { s: "seconds", m: "minutes", h: "hours", d: "days", w: "weeks" }

/** The text as Effect reads it. */
const inWords = (text: string): string =>
  text.replace(/^(\d+)([smhdw])$/, (_, n: string, unit: string) => `${n} ${units[unit]}`)

const decodeDuration = Schema.decodeOption(Schema.DurationFromString)

export const parseDuration = (text: string): Option.Option<Duration.Duration> => decodeDuration(inWords(text))

const isWait = Duration.between({ minimum: Duration.millis(1), maximum: Duration.days(7) })

export const expectedWait = "a duration of 1 millisecond to 7 days, such as 30s or 5 minutes"

export const WaitFromString: Schema.Codec<Duration.Duration, string> = Schema.String.check(
  Schema.makeFilter((text: string) => Option.exists(parseDuration(text), isWait) || `Expected ${expectedWait}`),
).pipe(
  Schema.decodeTo(
    Schema.DurationFromString,
    SchemaTransformation.transform({ decode: inWords, encode: (text: string) => text }),
  ),
)
