/**
 * Text that others wrote, made safe for a terminal: results come from machines that may be hostile, and so do the names,
 * errors and answers that this program repeats.
 */
import * as Stream from "effect/Stream"

/** Control characters (escapes among them) and marks that turn the direction of text round. */
const unsafe = /[\p{Cc}\p{Cf}\u2028\u2029]/gu

/** One line with nothing in it that a terminal obeys. */
export const printable = (text: string): string =>
  text.replaceAll(unsafe, (character) =>
    character === "\t" || character === "\n" || character === "\r" ? " " : "\uFFFD",
  )

/**
 * Text of many lines, piece by piece, with nothing in it that a terminal obeys but its tabs and line feeds. CRLF is one
 * line feed, also where it is in two pieces.
 */
export const printableText = <E, R>(pieces: Stream.Stream<string, E, R>): Stream.Stream<string, E, R> =>
  Stream.mapAccum(
    pieces,
    () => "",
    (held, piece) => {
      const text = held + piece
      const end = text.endsWith("\r") ? text.length - 1 : text.length
      return [text.slice(end), [printableLines(text.slice(0, end))]]
    },
    { onHalt: (held) => [printable(held)] },
  )

const printableLines = (text: string): string =>
  text
    .replaceAll("\r\n", "\n")
    .replaceAll(unsafe, (character) => (character === "\t" || character === "\n" ? character : printable(character)))

/** JSON with the same meaning, in which nothing stands raw that a terminal obeys. */
export const printableJson = (json: string): string =>
  json.replaceAll(unsafe, (character) =>
    Array.from({ length: character.length }, (_, i) => escape(character.charCodeAt(i))).join(""),
  )

const escape = (unit: number): string => `\\u${unit.toString(16).padStart(4, "0")}`
