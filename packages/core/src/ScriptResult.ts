/**
 * What a `RunScript` command left behind: its output, its errors and its exit code.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Extraction from "./Extraction.ts"
import * as Lenient from "./internal/lenient.ts"
import * as ScriptReader from "./internal/scriptReader.ts"

/**
 * The result of a script.
 *
 * `exitCode` has been seen at 0 for a script that ended with `exit 4`: show it, don't build on it. It is absent where the
 * service says none, or none that is a whole number; one in text is read as a number.
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
 * The result of a script whose `output` and `errors` may be only the beginnings of what there is. `outputLength` and
 * `errorsLength` are the lengths of the whole; all lengths are in UTF-16 code units, as `String.length` is.
 *
 * @since 0.1.0
 * @category models
 */
export class Excerpt extends ScriptResult.extend<Excerpt>("@live-response/core/ScriptResult/Excerpt")({
  outputLength: Schema.Int,
  errorsLength: Schema.Int,
}) {
  /** Whether anything was cut. */
  get isTruncated(): boolean {
    return this.outputLength > this.output.length || this.errorsLength > this.errors.length
  }
}

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

/**
 * @since 0.1.0
 * @category options
 */
export interface DecodeStreamOptions {
  /**
   * How many characters (UTF-16 code units) to keep of the output, and as many of the errors. By default 1,000,000.
   * With 0 only the lengths, the name and the exit code are wanted.
   */
  readonly limit?: number | undefined
}

const fail = (description: string) => Effect.fail(new ScriptResultError({ description }))

const ended = (reader: ScriptReader.Reader) =>
  Effect.suspend(() => Result.match(reader.end(), { onFailure: fail, onSuccess: (fields) => Effect.succeed(fields) }))

const check = (problem: string | undefined) => (problem === undefined ? Effect.void : fail(problem))

/** A result that is gzip is read as what is inside of it. */
const unpacked = <E, R>(stream: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | ScriptResultError, R> =>
  stream.pipe(
    Stream.mapError((source) => ({ source })),
    Extraction.gunzipIfPacked,
    Stream.mapError((error) =>
      "source" in error ? error.source : new ScriptResultError({ description: `in gzip, ${error.description}` }),
    ),
  )

/** No path of Windows is longer. */
const longestName = 32_767

/** A reader that keeps the beginnings of all fields. */
const excerpts = (limit: number) => {
  const { first, sink } = ScriptReader.collector((field) =>
    ScriptReader.nameFields.includes(field) ? Math.max(limit, longestName) : limit,
  )
  const reader = ScriptReader.make(sink)
  const end = Effect.gen(function* () {
    const { present, ...known } = yield* ended(reader)
    const output = first(ScriptReader.outputFields, present)
    const errors = first(ScriptReader.errorsFields, present)
    return Excerpt.make({
      scriptName: first(ScriptReader.nameFields, present).text,
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
 * Decodes a script result that is in memory, strict JSON to what `JSON.parse` makes of it, less the NULs. For what may
 * be large there is `decodeStream`.
 *
 * Lenient are: raw control characters inside strings (the vendor's own example has a line feed there), NULs behind the
 * closing brace, the old field names `name` and `script_error`, a byte order mark, a file in UTF-16LE, and UTF-16 text
 * that comes out with a NUL behind every character, and all of that inside of gzip, within `Extraction.defaultLimits`. Whether text is that, its first 4,096 characters decide: NULs are
 * on odd places mostly, and either a quarter of all is NULs, or one in twenty is another control character.
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
 * Decodes a script result of any length as `decode` does, and keeps of its output and its errors so much as the limit
 * allows. Memory depends on the limit alone. The stream is read to its end, because the exit code may stand behind a
 * long output; it is read no further than to what is wrong.
 *
 * Of a script's name 32,767 characters are kept, or the limit if that is more.
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
  const { end, push } = excerpts(options?.limit ?? 1_000_000)
  yield* Stream.runForEach(unpacked(stream), push)
  return yield* end
})

const emit = <E, R>(
  stream: Stream.Stream<Uint8Array, E, R>,
  fields: ReadonlyArray<string>,
): Stream.Stream<string, E | ScriptResultError, R> =>
  Stream.suspend(() => {
    const { problem, sink, take } = ScriptReader.emitter(fields)
    const reader = ScriptReader.make(sink)
    return unpacked(stream).pipe(
      Stream.map(ScriptReader.slices),
      Stream.flattenIterable,
      Stream.mapEffect((bytes) => {
        const wrong = reader.push(bytes) ?? problem()
        return wrong === undefined ? Effect.succeed(take()) : fail(wrong)
      }),
      Stream.concat(Stream.fromEffect(Effect.as(ended(reader), ""))),
      Stream.filter((text) => text !== ""),
    )
  })

/**
 * The output of a script result of any length as it comes, decoded as `decode` does, in memory that does not depend on
 * the length: for printing it, or for writing it to a file. It comes from a machine that may be hostile: on a terminal,
 * mind its escapes. Surrogate pairs are not torn apart.
 *
 * What was given out can't be taken back: that the bytes are no script result is found when much of the output is out
 * already. A field that stands twice, of which `decode` takes the last, is a `ScriptResultError` here.
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
): Stream.Stream<string, E | ScriptResultError, R> => emit(stream, ScriptReader.outputFields)

/**
 * The errors of a script result of any length as they come. It is to errors what `output` is to the output. The old
 * field `script_error` before the newer one is a `ScriptResultError` here, where both have text.
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
): Stream.Stream<string, E | ScriptResultError, R> => emit(stream, ScriptReader.errorsFields)
