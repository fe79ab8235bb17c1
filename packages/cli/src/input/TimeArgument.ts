/**
 * Times as people type them: how far from now, or when. `--since`, `--deadline` and `--give-up-after` are parsed here.
 */
import * as Timing from "@live-response/core/Timing"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** How far from now, or an instant. */
export type Time = Duration.Duration | DateTime.Utc

/** The largest distance from now: ten years, with two or three leap days. */
const furthest = Duration.days(3653)

/** A date without a zone is in UTC, where it may be tomorrow already. */
const oneDay = Duration.days(1)

/** `90m`, `24h`, `7d`, `2w`, or a date in ISO 8601. */
const parse = (text: string): Option.Option<Time> => {
  if (/^\d+[mhdw]$/.test(text)) return Timing.parseDuration(text)
  return /^\d{4}-\d\d-\d\d(T.*)?$/.test(text) ? DateTime.make(text) : Option.none()
}

/** A time in the past; none if the text is not a time, or is more than ten years ago, or in the future. */
export const parsePast = (text: string, now: DateTime.Utc): Option.Option<Time> =>
  Option.filter(parse(text), (time) =>
    Duration.isDuration(time)
      ? isInRange(time)
      : DateTime.between(time, {
          minimum: DateTime.subtractDuration(now, furthest),
          maximum: DateTime.addDuration(now, oneDay),
        }),
  )

/** How long it is until a time; none if the text is not a time, or is in the past, or more than ten years away. */
export const parseFuture = (text: string, now: DateTime.Utc): Option.Option<Duration.Duration> =>
  parse(text).pipe(
    Option.map((time) => (Duration.isDuration(time) ? time : DateTime.distance(now, time))),
    Option.filter(isInRange),
  )

/** A duration, such as `30s` and `5 minutes`; none if the text is not a duration, or is longer than ten years. */
export const parseDuration = (text: string): Option.Option<Duration.Duration> =>
  Option.filter(Timing.parseDuration(text), isInRange)

const isInRange = (duration: Duration.Duration): boolean =>
  Duration.isGreaterThan(duration, Duration.zero) && Duration.isLessThanOrEqualTo(duration, furthest)

/** The instant of a time in the past. */
export const instantOf = (time: Time, now: DateTime.Utc): DateTime.Utc =>
  Duration.isDuration(time) ? DateTime.subtractDuration(now, time) : time
