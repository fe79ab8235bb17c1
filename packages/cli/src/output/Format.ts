/**
 * Numbers, sizes and times as people read them.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Quantities from "./Quantities.ts"

const inThousands = (digits: string): string =>
  digits.length <= 3 ? digits : `${inThousands(digits.slice(0, -3))},${digits.slice(-3)}`

/** 1,500. Intl would do the same, but takes 10 ms to load, and every help text has numbers. */
export const count = (n: number): string => inThousands(String(n))

/** 1 link, 2 links. */
export const counted = (n: number, what: string): string => `${count(n)} ${what}${n === 1 ? "" : "s"}`

export const bytes = Quantities.bytes

export const duration = (input: Duration.Duration): string => Quantities.duration(Duration.toMillis(input))

/**
 * The offset of the local time zone. Each time has it, because colleagues may be in other zones, and because in autumn one
 * hour occurs twice.
 */
const zoneOf = (instant: DateTime.DateTime): string =>
  DateTime.formatLocal(instant, { timeZoneName: "shortOffset", locale: "en-GB" }).replace(
    /^.*(?:GMT|UTC)(?:\+0$)?/,
    "UTC",
  )

/** 14:05:09 UTC+1 */
export const timeOfDay = (
  instant: DateTime.DateTime,
  options?: Pick<Intl.DateTimeFormatOptions, "fractionalSecondDigits">,
): string =>
  `${DateTime.formatLocal(instant, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    locale: "en-GB",
    ...options,
  })} ${zoneOf(instant)}`

/** 2026-11-24 14:05:09 UTC+1 */
export const dateAndTime = (instant: DateTime.DateTime): string => `${date(instant)} ${timeOfDay(instant)}`

/** 2026-11-24 */
export const date = (instant: DateTime.DateTime): string =>
  DateTime.formatLocal(instant, { year: "numeric", month: "2-digit", day: "2-digit", locale: "en-CA" })

/** Tue 24 Nov */
export const day = (instant: DateTime.DateTime): string =>
  DateTime.formatLocal(instant, { weekday: "short", day: "numeric", month: "short", locale: "en-GB" })

/** 14:05:09 UTC+1 (in 42 s), with the day if it is more than a day away. */
export const instantAfter = (now: DateTime.Utc, after: Duration.Duration): string => {
  const instant = DateTime.addDuration(now, after)
  const isFar = Duration.toHours(after) >= 24
  return `${isFar ? `${day(instant)} ` : ""}${timeOfDay(instant)} (in ${duration(after)})`
}

/** A gauge: ████░░░░ */
export const bar = (part: number, whole: number, width: number): string => {
  const filled = whole === 0 ? 0 : Math.round(Math.min(1, part / whole) * width)
  return "█".repeat(filled) + "░".repeat(width - filled)
}
