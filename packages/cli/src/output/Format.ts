/**
 * Numbers, sizes and times as people read them.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

const inThousands = (digits: string): string =>
  digits.length <= 3 ? digits : `${inThousands(digits.slice(0, -3))},${digits.slice(-3)}`

/** 1,500. Intl would do the same, but takes 10 ms to load, and every help text has numbers. */
export const count = (n: number): string => inThousands(String(n))

/** 1 link, 2 links. */
export const counted = (n: number, what: string): string => `${count(n)} ${what}${n === 1 ? "" : "s"}`

/** 1.2 GB: powers of ten, as `ls -h --si` prints sizes. */
export const bytes = (n: number): string => {
  const units = ["B", "kB", "MB", "GB", "TB"]
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, n)) / 3))
  const value = n / 1000 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

/** 42 s, 12 min, 6 h 9 min, 27 d 18 h: two units at most. */
export const duration = (input: Duration.Duration): string => {
  const seconds = Math.ceil(Duration.toSeconds(input))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  if (hours >= 48) return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

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
