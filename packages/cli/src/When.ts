/**
 * Times as people type them: how far from now, or when.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

const units: Readonly<Record<string, (n: number) => Duration.Duration>> = {
  m: Duration.minutes,
  h: Duration.hours,
  d: Duration.days,
  w: Duration.weeks,
}

export type When = Duration.Duration | DateTime.Utc

/** `90m`, `24h`, `7d`, `2w`, or a date as ISO 8601 has it. */
export const parse = (text: string): Option.Option<When> => {
  const [, n, unit = ""] = /^(\d+)([mhdw])$/.exec(text) ?? []
  const of = units[unit]
  if (n !== undefined && of !== undefined) return Option.some(of(Number(n)))
  return /^\d{4}-\d\d-\d\d(T.*)?$/.test(text) ? DateTime.make(text) : Option.none()
}

/** `30s`, `90m`, `24h`, `7d`, `2w`. */
export const duration = (text: string): Option.Option<Duration.Duration> => {
  const [, seconds] = /^(\d+)s$/.exec(text) ?? []
  return seconds === undefined
    ? Option.filter(parse(text), Duration.isDuration)
    : Option.some(Duration.seconds(Number(seconds)))
}

/** When that is, or was so long ago. */
export const ago = (when: When, now: DateTime.Utc): DateTime.Utc =>
  Duration.isDuration(when) ? DateTime.subtractDuration(now, when) : when

/** How long it is until then. */
export const ahead = (when: When, now: DateTime.Utc): Duration.Duration =>
  Duration.isDuration(when) ? when : Duration.max(Duration.zero, DateTime.distance(now, when))
