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
    fromHeader(answer.header?.trim() ?? "", answer.now),
    seconds(/again in (\d+) seconds?/i.exec(answer.detail ?? "")?.[1] ?? ""),
  ])

/** No wait at all is no hint: whoever believed it would hammer. */
const positive = Option.filter(Duration.isGreaterThan(Duration.zero))

const seconds = (text: string): Option.Option<Duration.Duration> =>
  /^\d+$/.test(text) ? positive(Option.some(Duration.seconds(Number(text)))) : Option.none()

const fromHeader = (header: string, now: DateTime.Utc): Option.Option<Duration.Duration> =>
  header.endsWith(" GMT")
    ? positive(Option.map(DateTime.make(header), (date) => DateTime.distance(now, date)))
    : seconds(header)
