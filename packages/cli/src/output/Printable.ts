/**
 * Sanitises text of others for a terminal: results come from machines that may be hostile, and so do the names, errors and
 * answers that this program prints.
 */
import * as TerminalText from "@live-response/core/TerminalText"
import * as Stream from "effect/Stream"

/** JSON with the same meaning, in which control characters are escaped. */
export const printableJson = TerminalText.escapeJson

/** One line without characters that control a terminal. */
export const printable = (text: string): string =>
  TerminalText.replaceUnsafe(text, (character) =>
    character === "\t" || character === "\n" || character === "\r" ? " " : "\uFFFD",
  )

/**
 * Text of many lines, as a stream, without characters that control a terminal except tabs and line feeds. CRLF becomes one
 * line feed, even if it is split between two chunks.
 */
export const printableText = <E, R>(chunks: Stream.Stream<string, E, R>): Stream.Stream<string, E, R> =>
  Stream.mapAccum(
    chunks,
    () => "",
    (held, chunk) => {
      const text = held + chunk
      const end = text.endsWith("\r") ? text.length - 1 : text.length
      return [text.slice(end), [printableLines(text.slice(0, end))]]
    },
    { onHalt: (held) => [printable(held)] },
  )

const printableLines = (text: string): string =>
  TerminalText.replaceUnsafe(text.replaceAll("\r\n", "\n"), (character) =>
    character === "\t" || character === "\n" ? character : printable(character),
  )
