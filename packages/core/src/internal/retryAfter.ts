import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/**
 * How long a server asks to wait: `Retry-After` in seconds, as a time span (`00:00:03`) or as a date, else the seconds in
 * its message.
 */
export const parse = (answer: {
  readonly header: string | undefined
  readonly detail?: string | undefined
  readonly now: DateTime.Utc
}): Option.Option<Duration.Duration> =>
  Option.firstSomeOf([
    fromHeader(answer.header?.trim() ?? "", answer.now),
    seconds(/again in (\d+(?:\.\d+)?) seconds?/i.exec(answer.detail ?? "")?.[1] ?? ""),
  ])

/** No wait at all is not a hint: whoever believed it would hammer. Nor is one without an end. */
const positive = Option.filter(
  (wait: Duration.Duration) => Duration.isGreaterThan(wait, Duration.zero) && Duration.isFinite(wait),
)

const seconds = (text: string): Option.Option<Duration.Duration> =>
  /^\d+(\.\d+)?$/.test(text) ? positive(Option.some(Duration.millis(Math.ceil(Number(text) * 1000)))) : Option.none()

const span = (text: string): Option.Option<Duration.Duration> => {
  const [, hours, minutes, rest] = /^(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(text) ?? []
  return rest === undefined
    ? Option.none()
    : seconds(String(Number(hours) * 3600 + Number(minutes) * 60 + Number(rest)))
}

const fromHeader = (header: string, now: DateTime.Utc): Option.Option<Duration.Duration> =>
  header.endsWith(" GMT")
    ? positive(Option.map(DateTime.make(header), (date) => DateTime.distance(now, date)))
    : Option.orElse(seconds(header), () => span(header))
