import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as ForeignNumber from "./foreignNumber.ts"

/** In seconds: the longest wait that one answer can ask for, and all answers of a server in trouble together. */
const longestHold = 3600

export const longestRequestedWait = Duration.seconds(longestHold)

/**
 * The wait that a server asks for: `Retry-After` in seconds, as a time span (`00:00:03`) or as a date, else the seconds in
 * its message.
 */
export const parse = (answer: {
  readonly header: string | undefined
  readonly detail?: string | undefined
  readonly now: DateTime.Utc
}): Option.Option<Duration.Duration> =>
  Option.firstSomeOf([
    fromHeader(answer.header?.trim() ?? "", answer.now),
    ForeignNumber.seconds(/again in (\d+(?:\.\d+)?) seconds?/i.exec(answer.detail ?? "")?.[1]),
  ])

const span = (text: string): Option.Option<Duration.Duration> => {
  const [, hours, minutes, rest] = /^(\d{1,9}):(\d\d):(\d\d(?:\.\d{1,9})?)$/.exec(text) ?? []
  return rest === undefined
    ? Option.none()
    : ForeignNumber.wait(Duration.seconds(Number(hours) * 3600 + Number(minutes) * 60 + Number(rest)))
}

const fromHeader = (header: string, now: DateTime.Utc): Option.Option<Duration.Duration> =>
  header.endsWith(" GMT")
    ? Option.flatMap(DateTime.make(header), (date) => ForeignNumber.wait(DateTime.distance(now, date)))
    : Option.orElse(ForeignNumber.seconds(header), () => span(header))
