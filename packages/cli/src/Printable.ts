/**
 * Text that others wrote, made safe for a terminal: results come from machines that may be hostile, and so do the names,
 * errors and answers that this program repeats.
 */

/** Control characters (escapes among them) and marks that turn the direction of text round. */
const unsafe = /[\p{Cc}\p{Cf}\u2028\u2029]/gu

/** One line with nothing in it that a terminal obeys. */
export const printable = (text: string): string =>
  text.replaceAll(unsafe, (character) =>
    character === "\t" || character === "\n" || character === "\r" ? " " : "\uFFFD",
  )
