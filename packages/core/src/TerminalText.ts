/**
 * Makes text from machines, the API and the storage safe to show on a terminal: it can't control the terminal or reorder
 * the text beside it.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import { foreignText } from "./internal/foreignText.ts"
import * as RecordText from "./internal/recordText.ts"

/**
 * Control characters, with which escape sequences start (C0 and C1), and format characters, some of which reverse the
 * direction of text.
 */
const unsafe = /[\p{Cc}\p{Cf}\u2028\u2029]/gu

/**
 * Replaces each character that controls a terminal or changes how the text beside it looks.
 *
 * **Example** (Replacing an escape sequence)
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
 * Escapes these characters in JSON without changing its meaning.
 *
 * **Details**
 *
 * Every JSON file that this library writes is escaped, so `cat manifest.jsonl` is safe.
 *
 * **Example** (Escaping JSON for a terminal)
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
 * Prepares text from a server for an error message: one line of at most 1,000 characters, in which `<redacted>` replaces
 * `secrets`, and everything that looks like a signature, a bearer token or a password in a URL.
 *
 * **Example** (Removing the signature of a link)
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
export const shorten = (text: string): string => RecordText.shorten(text)

const escapeUnit = (unit: number): string => `\\u${unit.toString(16).padStart(4, "0")}`
