/** Numbers that servers write in headers and texts. Each function is total: what is not a number within bounds is absent. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** No result is longer: a blob has at most 190 TiB. */
const longestBody = 2 ** 50

/** No server's wish holds for longer. */
const longestWait = Duration.days(1)

/** The last instant that a `Date` can hold, in milliseconds since 1970. */
export const lastInstant = 8.64e15

/** A number of anything: decimal digits, as many as a number holds exactly. */
export const count = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** A number of bytes, as in `Content-Length`. */
export const byteCount = (text: string | undefined): number | undefined => {
  const bytes = count(text)
  return bytes !== undefined && bytes <= longestBody ? bytes : undefined
}

/** Where a part starts and how long the whole is, as far as a `Content-Range` says it. */
export const contentRange = (
  header: string | undefined,
): { readonly start: number | undefined; readonly total: number | undefined } => {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header ?? "") ?? []
  return { start: byteCount(start), total: byteCount(total) }
}

/**
 * A wait in seconds, with or without a fraction; of more than a day it is a day. No wait at all is not a hint: whoever
 * believed it would hammer.
 */
export const seconds = (text: string | undefined): Option.Option<Duration.Duration> =>
  text !== undefined && /^\d{1,15}(\.\d{1,15})?$/.test(text) ? wait(Duration.seconds(Number(text))) : Option.none()

/** A wait within bounds. */
export const wait = (duration: Duration.Duration): Option.Option<Duration.Duration> => {
  const millis = Math.ceil(Duration.toMillis(duration))
  return millis > 0 ? Option.some(Duration.min(Duration.millis(millis), longestWait)) : Option.none()
}

/** How long a token lasts, in milliseconds from the seconds of `expires_in`: a day at most, and none that is negative. */
export const lifetime = (seconds: number): number =>
  Number.isNaN(seconds) ? 0 : Math.min(Math.max(seconds * 1000, 0), Duration.toMillis(longestWait))

/** An instant in milliseconds since 1970, as near to the one that was given as a `Date` can hold. */
export const instant = (millis: number): number =>
  Number.isNaN(millis) ? 0 : Math.min(Math.max(millis, 0), lastInstant)
