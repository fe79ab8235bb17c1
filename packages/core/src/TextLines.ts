/**
 * Lines of text from outside, of which each has a bound: a file of a gigabyte without a line feed is one line.
 *
 * @since 0.1.0
 */
import * as Stream from "effect/Stream"

const lastBreak = (text: string): number => Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r"))

/** As much of a piece as its lines may have, of which the first has `length` characters already. */
const cut = (piece: string, length: number, longest: number): string => {
  let left = longest - length
  return piece.replaceAll(/[^\r\n]+|[\r\n]+/g, (run) => {
    if (/^[\r\n]/.test(run)) {
      left = longest
      return run
    }
    const kept = run.slice(0, Math.max(0, left))
    left -= kept.length
    return kept
  })
}

/**
 * The lines of a text that comes in pieces cut anywhere, as `Stream.splitLines` has them. Of a longer line the first
 * `longest` characters are kept.
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
  (longest: number) =>
  <E, R>(text: Stream.Stream<string, E, R>): Stream.Stream<string, E, R> =>
    text.pipe(
      Stream.mapAccum(
        () => 0,
        (length, piece) => {
          const kept = length + piece.length <= longest ? piece : cut(piece, length, longest)
          const end = lastBreak(kept)
          return [end === -1 ? length + kept.length : kept.length - 1 - end, [kept]] as const
        },
      ),
      Stream.splitLines,
    )
