import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** How long the API asks to wait: `Retry-After` in seconds or as a date, else the seconds in its message. */
export const parse = (answer: {
  readonly header: string | undefined
  readonly detail: string | undefined
  readonly now: DateTime.Utc
}): Option.Option<Duration.Duration> =>
  Option.firstSomeOf([
    Option.flatMap(Option.fromNullishOr(answer.header), (header) =>
      /^\d+$/.test(header.trim())
        ? Option.some(Duration.seconds(Number(header)))
        : Option.map(DateTime.make(header), (date) => nonNegative(DateTime.distance(answer.now, date))),
    ),
    Option.map(Option.fromNullishOr(/again in (\d+) seconds?/i.exec(answer.detail ?? "")?.[1]), (seconds) =>
      Duration.seconds(Number(seconds)),
    ),
  ])

const nonNegative = (duration: Duration.Duration) => Duration.max(duration, Duration.zero)
