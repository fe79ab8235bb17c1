/**
 * Text of others that a terminal may show: what the machines, the API and the storage write is neither obeyed nor able to
 * reorder what stands beside it.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import { foreignText } from "./internal/foreignText.ts"
import * as Text from "./internal/text.ts"

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
    character.length === 1
      ? escapeUnit(character.charCodeAt(0))
      : escapeUnit(character.charCodeAt(0)) + escapeUnit(character.charCodeAt(1)),
  )

/**
 * Text that a server wrote, as a part of an error: one line of at most 1,000 characters, with `<redacted>` in place of the
 * secrets that it was sent, and of everything that looks like a signature, a bearer token or a password in a URL.
 *
 * @example
 * ```ts
 * import * as TerminalText from "@live-response/core/TerminalText"
 *
 * console.log(TerminalText.withoutSecrets("no\nblob at /r?sp=r&sig=a%2Fb%3D")) // no blob at /r?sp=r&sig=<redacted>
 * ```
 *
 * @since 0.1.0
 * @category formatting
 */
export const withoutSecrets = (text: string, secrets?: ReadonlyArray<Redacted.Redacted<string>>): string =>
  foreignText(text, secrets)

/**
 * Text of others that is stored or shown, within a bound: of more than 8,192 characters the beginning and the end are
 * kept, with `…` between them.
 *
 * @example
 * ```ts
 * import * as TerminalText from "@live-response/core/TerminalText"
 *
 * console.log(TerminalText.shorten("C:\\".repeat(10_000)).length) // 8191
 * ```
 *
 * @since 0.1.0
 * @category formatting
 */
export const shorten = (text: string): string => Text.shorten(text)

const escapeUnit = (unit: number): string => `\\u${unit.toString(16).padStart(4, "0")}`
