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

/** No time that people type is further from now: ten years, two or three leap days among them. */
const furthest = Duration.days(3653)

/** A date without a zone is that of UTC, where it may be tomorrow already. */
const aDay = Duration.days(1)

/** `90m`, `24h`, `7d`, `2w`, or a date as ISO 8601 has it. */
const parse = (text: string): Option.Option<When> => {
  const [, n, unit = ""] = /^(\d+)([mhdw])$/.exec(text) ?? []
  const of = units[unit]
  if (n !== undefined && of !== undefined) return Option.some(of(Number(n)))
  return /^\d{4}-\d\d-\d\d(T.*)?$/.test(text) ? DateTime.make(text) : Option.none()
}

/** A time that was; none where the text is not one, or one of more than ten years ago, or of the future. */
export const parsePast = (text: string, now: DateTime.Utc): Option.Option<When> =>
  Option.filter(parse(text), (when) =>
    Duration.isDuration(when)
      ? isPositive(when)
      : DateTime.between(when, {
          minimum: DateTime.subtractDuration(now, furthest),
          maximum: DateTime.addDuration(now, aDay),
        }),
  )

/** How long it is until a time; none where the text is not one, or one of the past, or more than ten years away. */
export const parseFuture = (text: string, now: DateTime.Utc): Option.Option<Duration.Duration> =>
  parse(text).pipe(
    Option.map((when) => (Duration.isDuration(when) ? when : DateTime.distance(now, when))),
    Option.filter(isPositive),
  )

/** A time that something may take: `30s`, `90m`, `24h`, `7d`, `2w`; none where the text is not one, or more than ten years. */
export const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const [, seconds] = /^(\d+)s$/.exec(text) ?? []
  const duration = seconds === undefined ? parse(text) : Option.some(Duration.seconds(Number(seconds)))
  return duration.pipe(Option.filter(Duration.isDuration), Option.filter(isPositive))
}

const isPositive = (duration: Duration.Duration): boolean =>
  Duration.isGreaterThan(duration, Duration.zero) && Duration.isLessThanOrEqualTo(duration, furthest)

/** When that is, or was so long ago. */
export const ago = (when: When, now: DateTime.Utc): DateTime.Utc =>
  Duration.isDuration(when) ? DateTime.subtractDuration(now, when) : when
