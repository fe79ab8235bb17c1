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

/** JSON with the same meaning, in which nothing stands raw that a terminal obeys. */
export const printableJson = (json: string): string =>
  json.replaceAll(unsafe, (character) =>
    Array.from({ length: character.length }, (_, i) => escape(character.charCodeAt(i))).join(""),
  )

const escape = (unit: number): string => `\\u${unit.toString(16).padStart(4, "0")}`
