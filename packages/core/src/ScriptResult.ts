/**
 * Script results: the output, errors and exit code of a `RunScript` command.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Extraction from "./Extraction.ts"
import * as Lenient from "./internal/lenientFields.ts"
import * as ScriptResultReader from "./internal/scriptResultReader.ts"
import * as StrictScriptResult from "./internal/strictScriptResult.ts"

/**
 * The result of a script.
 *
 * **Details**
 *
 * `exitCode` is absent if the service reports none, or one that is not a whole number. One in text is converted.
 *
 * **Gotchas**
 *
 * The service was seen to report an `exitCode` of 0 for a script that finished with `exit 4`. Show it, but do not rely on
 * it.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
 * @since 0.1.0
 * @category models
 */
export class ScriptResult extends Schema.Class<ScriptResult>("@live-response/core/ScriptResult")({
  scriptName: Schema.String,
  exitCode: Schema.optionalKey(Schema.Int),
  output: Schema.String,
  errors: Schema.String,
}) {}

/**
 * The result of a script whose `output` and `errors` may be truncated. `outputLength` and `errorsLength` are the full
 * lengths in UTF-16 code units, as in `String.length`.
 *
 * @since 0.1.0
 * @category models
 */
export class Excerpt extends ScriptResult.extend<Excerpt>("@live-response/core/ScriptResult/Excerpt")({
  outputLength: Schema.Int,
  errorsLength: Schema.Int,
}) {
  /** Whether the output or the errors are truncated. */
  get isTruncated(): boolean {
    return this.outputLength > this.output.length || this.errorsLength > this.errors.length
  }
}

/**
 * The bytes are not a script result, not even by the lenient rules of {@link decode}.
 *
 * @since 0.1.0
 * @category errors
 */
export class ScriptResultError extends Schema.TaggedError<ScriptResultError>("@live-response/core/ScriptResultError")(
  "ScriptResultError",
  { description: Schema.String },
) {
  override get message(): string {
    return `not a script result: ${this.description}; its bytes are unchanged`
  }
}

/**
 * @since 0.1.0
 * @category options
 */
export interface DecodeStreamOptions {
  /**
   * How many characters (UTF-16 code units) of the output, and of the errors, to return. By default 1,000,000. With 0 only
   * the name, the exit code and the lengths are returned.
   */
  readonly limit?: number | undefined
}

const fail = (description: string) => Effect.fail(new ScriptResultError({ description }))

const endOf = (reader: ScriptResultReader.Reader) =>
  Effect.suspend(() => Result.match(reader.end(), { onFailure: fail, onSuccess: (fields) => Effect.succeed(fields) }))

const check = (problem: string | undefined) => (problem === undefined ? Effect.void : fail(problem))

/** Unpacks a result that is gzip. */
const unpacked = <E, R>(stream: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | ScriptResultError, R> =>
  stream.pipe(
    Stream.mapError((source) => ({ source })),
    Extraction.gunzipIfPacked,
    Stream.mapError((error) =>
      "source" in error
        ? error.source
        : new ScriptResultError({ description: `can't unpack its gzip data: ${error.description}` }),
    ),
  )

/** In characters. */
const defaultLimit = 1_000_000

/** The length of the longest path on Windows. */
const longestName = 32_767

/** A reader that returns the beginnings of all fields. */
const excerptReader = (limit: number) => {
  const { first, sink } = ScriptResultReader.collector((field) =>
    ScriptResultReader.nameFields.includes(field) ? Math.max(limit, longestName) : limit,
  )
  const reader = ScriptResultReader.make(sink)
  const end = Effect.gen(function* () {
    const { present, ...known } = yield* endOf(reader)
    const output = first(ScriptResultReader.outputFields, present)
    const errors = first(ScriptResultReader.errorsFields, present)
    return Excerpt.make({
      scriptName: first(ScriptResultReader.nameFields, present).text,
      ...known,
      output: output.text,
      outputLength: output.length,
      errors: errors.text,
      errorsLength: errors.length,
    })
  })
  return { push: (bytes: Uint8Array) => Effect.suspend(() => check(reader.push(bytes))), end }
}

/**
 * Decodes a script result in memory. Strict JSON is decoded as `JSON.parse` does, without NULs.
 *
 * **When to use**
 *
 * Use it for small results. For a result that may be large, use {@link decodeStream}.
 *
 * **Details**
 *
 * The decoder also accepts:
 *
 * - control characters inside strings: Microsoft's own example has a line feed there
 * - NULs after the closing brace
 * - the old field names `name` and `script_error`
 * - a byte order mark, and a file in UTF-16LE
 * - UTF-16 text inside a string, which then has a NUL after each character. The first 4,096 characters decide: most NULs
 *   are at odd positions, and either a quarter of the characters are NULs, or one in twenty is another control character.
 * - all of these inside gzip, within `Extraction.defaultLimits`
 *
 * **Example** (Decoding a result with a line feed inside a string)
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
  const whole = yield* decodeStream(Stream.succeed(bytes), { limit: Infinity })
  const { errors, exitCode, output, scriptName } = whole
  return ScriptResult.make({ scriptName, ...Lenient.present({ exitCode }), output, errors })
})

/**
 * Decodes a script result of any length as {@link decode} does, and truncates its output and errors to a limit.
 *
 * **Details**
 *
 * Memory depends only on the limit. The stream is read to its end, because the exit code may follow a long output; it is
 * not read beyond an error. The script's name is truncated to 32,767 characters, or to the limit if that is larger.
 *
 * **Example** (Decoding the beginning of the output)
 *
 * @example
 * ```ts
 * import * as ScriptResult from "@live-response/core/ScriptResult"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const bytes = Stream.make(`{"script_output":"one two th`, `ree","exit_code":3}`).pipe(Stream.encodeText)
 *
 * const { exitCode, isTruncated, output, outputLength } = Effect.runSync(ScriptResult.decodeStream(bytes, { limit: 7 }))
 *
 * console.log(output, outputLength, isTruncated, exitCode) // one two 13 true 3
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeStream = Effect.fnUntraced(function* <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  options?: DecodeStreamOptions,
): Effect.fn.Return<Excerpt, E | ScriptResultError, R> {
  const { end, push } = excerptReader(options?.limit ?? defaultLimit)
  yield* Stream.runForEach(unpacked(stream), push)
  return yield* end
})

const beginning = (text: string, limit: number): string =>
  text.length <= limit ? text : ScriptResultReader.withoutHalfPair(text.slice(0, limit))

/**
 * Decodes a script result that is in memory as {@link decodeStream} does.
 *
 * **When to use**
 *
 * Use it for many small results: one that is exactly as Microsoft documents it costs a tenth.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeExcerpt = (
  bytes: Uint8Array,
  options?: DecodeStreamOptions,
): Effect.Effect<Excerpt, ScriptResultError> =>
  Effect.suspend(() => {
    const strict = excerptOf(bytes, options)
    return strict === undefined ? decodeStream(Stream.succeed(bytes), options) : Effect.succeed(Excerpt.make(strict))
  })

/**
 * The script result in bytes that are exactly as Microsoft documents it, truncated as {@link decodeStream} does. `undefined` for
 * all others, which {@link decodeExcerpt} reads.
 *
 * @since 0.1.0
 * @category decoding
 */
export const excerptOf = (bytes: Uint8Array, options?: DecodeStreamOptions): typeof Excerpt.Encoded | undefined => {
  const strict = StrictScriptResult.read(bytes)
  if (strict === undefined) return undefined
  const { errors, exitCode, output, scriptName } = strict
  const limit = options?.limit ?? defaultLimit
  return {
    scriptName: beginning(scriptName, Math.max(limit, longestName)),
    ...Lenient.present({ exitCode }),
    output: beginning(output, limit),
    outputLength: output.length,
    errors: beginning(errors, limit),
    errorsLength: errors.length,
  }
}

const textOf = <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  fields: ReadonlyArray<string>,
): Stream.Stream<string, E | ScriptResultError, R> =>
  Stream.suspend(() => {
    const { problem, sink, take } = ScriptResultReader.emitter(fields)
    const reader = ScriptResultReader.make(sink)
    return unpacked(stream).pipe(
      Stream.map(ScriptResultReader.slices),
      Stream.flattenIterable,
      Stream.mapEffect((bytes) => {
        const found = reader.push(bytes) ?? problem()
        return found === undefined ? Effect.succeed(take()) : fail(found)
      }),
      Stream.concat(Stream.fromEffect(Effect.as(endOf(reader), ""))),
      Stream.filter((text) => text !== ""),
    )
  })

/**
 * Streams the output of a script result of any length, decoded as {@link decode} does, in constant memory.
 *
 * **When to use**
 *
 * Use it to print the output, or to write it to a file.
 *
 * **Gotchas**
 *
 * - The text comes from a machine that may be hostile. Before printing it to a terminal, replace its control characters
 *   with `TerminalText.replaceUnsafe`.
 * - The stream may fail after most of the output was emitted, because only then the bytes turn out not to be a script
 *   result.
 * - A field that occurs twice fails with a `ScriptResultError`, while `decode` takes the last one.
 *
 * **Example** (Splitting the output into lines)
 *
 * @example
 * ```ts
 * import * as ScriptResult from "@live-response/core/ScriptResult"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const bytes = Stream.make(`{"script_output":"one\\`, `ntwo","exit_code":0}`).pipe(Stream.encodeText)
 * const lines = ScriptResult.output(bytes).pipe(Stream.splitLines, Stream.runCollect)
 *
 * console.log(Effect.runSync(lines).length) // 2
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const output = <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
): Stream.Stream<string, E | ScriptResultError, R> => textOf(stream, ScriptResultReader.outputFields)

/**
 * Streams the errors of a script result of any length, as {@link output} streams its output.
 *
 * **Gotchas**
 *
 * If both the old field `script_error` and `script_errors` have text, and the old one comes first, the stream fails with a
 * `ScriptResultError`.
 *
 * **Example** (Reading the errors)
 *
 * @example
 * ```ts
 * import * as ScriptResult from "@live-response/core/ScriptResult"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const bytes = Stream.make(`{"script_error":"Access is denied.","exit_code":1}`).pipe(Stream.encodeText)
 *
 * console.log(Effect.runSync(Stream.mkString(ScriptResult.errors(bytes)))) // Access is denied.
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const errors = <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
): Stream.Stream<string, E | ScriptResultError, R> => textOf(stream, ScriptResultReader.errorsFields)
