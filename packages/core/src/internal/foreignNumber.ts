/** Numbers that servers write in headers and texts. No function throws: what is not a number within bounds is absent. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** No result is longer: a blob has at most 190 TiB. */
const longestBody = 2 ** 50

/** No server can ask for a longer wait. */
const longestWait = Duration.days(1)

/** The last instant that a `Date` can hold, in milliseconds since 1970. */
export const lastInstant = 8.64e15

/** A count: decimal digits, as many as a number holds exactly. */
export const count = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined

/** A number of bytes, as in `Content-Length`. */
export const byteCount = (text: string | undefined): number | undefined => {
  const bytes = count(text)
  return bytes !== undefined && bytes <= longestBody ? bytes : undefined
}

/** Where a part starts and how long the whole is, as far as a `Content-Range` says. */
export const contentRange = (
  header: string | undefined,
): { readonly start: number | undefined; readonly total: number | undefined } => {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header ?? "") ?? []
  return { start: byteCount(start), total: byteCount(total) }
}

/**
 * A wait in seconds, with or without a fraction, of a day at most. A wait of zero is absent: a client that believed it would
 * hammer the server.
 */
export const seconds = (text: string | undefined): Option.Option<Duration.Duration> =>
  text !== undefined && /^\d{1,15}(\.\d{1,15})?$/.test(text) ? wait(Duration.seconds(Number(text))) : Option.none()

/** A wait within bounds. */
export const wait = (duration: Duration.Duration): Option.Option<Duration.Duration> => {
  const millis = Math.ceil(Duration.toMillis(duration))
  return millis > 0 ? Option.some(Duration.min(Duration.millis(millis), longestWait)) : Option.none()
}

/** The lifetime of a token in milliseconds, from the seconds of `expires_in`: between zero and a day. */
export const lifetime = (seconds: number): number =>
  Number.isNaN(seconds) ? 0 : Math.min(Math.max(seconds * 1000, 0), Duration.toMillis(longestWait))

/** An instant in milliseconds since 1970, moved into the range that a `Date` can hold. */
export const instant = (millis: number): number =>
  Number.isNaN(millis) ? 0 : Math.min(Math.max(millis, 0), lastInstant)
