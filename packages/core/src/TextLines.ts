/**
 * Splits text into lines of bounded length: a file of a gigabyte without a line feed is a single line.
 *
 * @since 0.1.0
 */
import * as Stream from "effect/Stream"

const lastBreak = (text: string): number => Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r"))

/** Truncates the lines of a piece. The first line has `length` characters before the piece. */
const truncate = (piece: string, length: number, maxLength: number): string => {
  let left = maxLength - length
  return piece.replaceAll(/[^\r\n]+|[\r\n]+/g, (run) => {
    if (/^[\r\n]/.test(run)) {
      left = maxLength
      return run
    }
    const start = run.slice(0, Math.max(0, left))
    left -= start.length
    return start
  })
}

/**
 * Splits a stream of text into lines, as `Stream.splitLines` does, and truncates each line to `maxLength` characters.
 *
 * **Example** (Lines of at most three characters)
 *
 * @example
 * ```ts
 * import * as TextLines from "@live-response/core/TextLines"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const lines = Stream.make("ab", "cdef\ng").pipe(TextLines.split(3), Stream.runCollect)
 * console.log(Effect.runSync(lines)) // [ 'abc', 'g' ]
 * ```
 *
 * @since 0.1.0
 * @category splitting
 */
export const split =
  (maxLength: number) =>
  <E, R>(text: Stream.Stream<string, E, R>): Stream.Stream<string, E, R> =>
    text.pipe(
      Stream.mapAccum(
        () => 0,
        (length, piece) => {
          const text = length + piece.length <= maxLength ? piece : truncate(piece, length, maxLength)
          const end = lastBreak(text)
          return [end === -1 ? length + text.length : text.length - 1 - end, [text]] as const
        },
      ),
      Stream.splitLines,
    )
