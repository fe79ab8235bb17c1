/**
 * Text that others wrote, made safe for a terminal: results come from machines that may be hostile, and so do the names,
 * errors and answers that this program repeats.
 */
import * as TerminalText from "@live-response/core/TerminalText"
import * as Stream from "effect/Stream"

/** JSON with the same meaning, in which nothing stands raw that a terminal obeys. */
export const printableJson = TerminalText.escapeJson

/** One line with nothing in it that a terminal obeys. */
export const printable = (text: string): string =>
  TerminalText.replaceUnsafe(text, (character) =>
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
  TerminalText.replaceUnsafe(text.replaceAll("\r\n", "\n"), (character) =>
    character === "\t" || character === "\n" ? character : printable(character),
  )
