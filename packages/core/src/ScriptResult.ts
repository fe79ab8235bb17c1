/**
 * What a `RunScript` command left behind: its output, its errors and its exit code.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * The result of a script.
 *
 * `exitCode` has been seen at 0 for a script that ended with `exit 4`: show it, don't build on it.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
 * @since 0.1.0
 * @category models
 */
export class ScriptResult extends Schema.Class<ScriptResult>("@live-response/core/ScriptResult")({
  scriptName: Schema.String,
  exitCode: Schema.Int,
  output: Schema.String,
  errors: Schema.String,
}) {}

/**
 * The bytes are no script result: neither as strict JSON nor read leniently.
 *
 * @since 0.1.0
 * @category errors
 */
export class ScriptResultError extends Schema.TaggedError<ScriptResultError>("@live-response/core/ScriptResultError")(
  "ScriptResultError",
  { description: Schema.String },
) {
  override get message(): string {
    return `not a script result: ${this.description}; the bytes are kept as they came`
  }
}

/** What the service writes, and what older versions of its documentation say that it writes. */
const Wire = Schema.fromJsonString(
  Schema.Struct({
    script_name: Schema.optional(Schema.NullOr(Schema.String)),
    name: Schema.optional(Schema.NullOr(Schema.String)),
    exit_code: Schema.Int,
    script_output: Schema.optional(Schema.NullOr(Schema.String)),
    script_errors: Schema.optional(Schema.NullOr(Schema.String)),
    script_error: Schema.optional(Schema.NullOr(Schema.String)),
  }),
)

const decodeWire = Schema.decodeUnknownResult(Wire)

/**
 * Decodes a script result, strictly first, then leniently. Lenient are: raw control characters inside strings (the
 * vendor's own example has a line feed there), NULs behind the closing brace, the old field names `name` and
 * `script_error`, and UTF-16 text that comes out with a NUL behind every character.
 *
 * @example
 * ```ts
 * import * as ScriptResult from "@live-response/core/ScriptResult"
 * import * as Effect from "effect/Effect"
 *
 * const bytes = new TextEncoder().encode(`{"script_name":"a.ps1","exit_code":0,"script_output":"first
 * second","script_errors":""}`)
 *
 * console.log(Effect.runSync(ScriptResult.decode(bytes)).output.split("\n").length) // 2
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = Effect.fnUntraced(function* (
  bytes: Uint8Array,
): Effect.fn.Return<ScriptResult, ScriptResultError> {
  const text = decodeText(bytes)
  const strict = decodeWire(text)
  const decoded = Result.isSuccess(strict) ? strict : decodeWire(escapeControls(text))
  if (Result.isFailure(decoded)) {
    return yield* new ScriptResultError({ description: firstLine(String(decoded.failure)) })
  }
  const wire = decoded.success
  return ScriptResult.make({
    scriptName: wire.script_name ?? wire.name ?? "",
    exitCode: wire.exit_code,
    output: withoutNuls(wire.script_output ?? ""),
    errors: withoutNuls(wire.script_errors ?? wire.script_error ?? ""),
  })
})

const firstLine = (text: string) => text.split("\n", 1)[0] ?? text

const decodeText = (bytes: Uint8Array): string => {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : "utf-8"
  return new TextDecoder(encoding).decode(bytes)
}

/** Control characters that stand raw inside a string become escapes; what follows the closing brace is dropped. */
const escapeControls = (text: string): string => {
  let inString = false
  let escaped = false
  let out = ""
  for (const character of text.replace(/[\u0000\s]+$/, "")) {
    if (inString && character < " ") {
      out += `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
      escaped = false
      continue
    }
    out += character
    if (escaped) escaped = false
    else if (character === "\\") escaped = inString
    else if (character === '"') inString = !inString
  }
  return out
}

/** A NUL means nothing in text: it is padding at the end, or one half of UTF-16 that was read byte by byte. */
const withoutNuls = (text: string): string =>
  Option.getOrElse(utf16ThroughNuls(text), () => text.replaceAll("\u0000", ""))

const utf16ThroughNuls = (text: string): Option.Option<string> => {
  const bytes = Uint8Array.from(text.replace(/\u0000+$/, ""), (character) => character.charCodeAt(0))
  const isOneByteEach = !/[^\u0000-\u00ff]/.test(text)
  const count = (matches: (byte: number, i: number) => boolean) => bytes.filter(matches).length
  const nuls = count((byte) => byte === 0)
  const highNuls = count((byte, i) => byte === 0 && i % 2 === 1)
  const controls = count((byte) => (byte > 0 && byte < 9) || (byte > 13 && byte < 32) || (byte > 127 && byte < 160))
  // Half of the bytes are NULs where the text is Latin. Where it is not, many are control characters, of which text has few.
  const looksLike = nuls * 4 >= bytes.length - 1 || controls * 20 >= bytes.length
  return isOneByteEach && highNuls * 2 > nuls && looksLike
    ? Option.some(
        new TextDecoder("utf-16le").decode(Uint8Array.from([...bytes, ...(bytes.length % 2 === 1 ? [0] : [])])),
      )
    : Option.none()
}
