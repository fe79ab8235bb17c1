/**
 * Text of others that a terminal may show: what the machines, the API and the storage write is neither obeyed nor able to
 * reorder what stands beside it.
 *
 * @since 0.1.0
 */

/**
 * Control characters (escape sequences start with one, of C0 or C1), and format characters, among them those that reverse
 * the direction of text.
 */
const unsafe = /[\p{Cc}\p{Cf}\u2028\u2029]/gu

/**
 * A text in which each character that a terminal obeys, or that changes how the text beside it looks, is replaced.
 *
 * @example
 * ```ts
 * import * as TerminalText from "@live-response/core/TerminalText"
 *
 * console.log(TerminalText.replaceUnsafe("red \u001b[31m", () => "?")) // red ?[31m
 * ```
 *
 * @since 0.1.0
 * @category formatting
 */
export const replaceUnsafe = (text: string, replacement: (character: string) => string): string =>
  text.replaceAll(unsafe, replacement)

/**
 * JSON with the same meaning, in which those characters are escaped. Every file of JSON that this library writes is such
 * text, so that `cat manifest.jsonl` is safe.
 *
 * @example
 * ```ts
 * import * as TerminalText from "@live-response/core/TerminalText"
 *
 * console.log(TerminalText.escapeJson(JSON.stringify("a\u009bb\u202ec"))) // "a\u009bb\u202ec"
 * ```
 *
 * @since 0.1.0
 * @category formatting
 */
export const escapeJson = (json: string): string =>
  replaceUnsafe(json, (character) =>
    Array.from({ length: character.length }, (_, i) => escapeUnit(character.charCodeAt(i))).join(""),
  )

const escapeUnit = (unit: number): string => `\\u${unit.toString(16).padStart(4, "0")}`
