/**
 * Unpacks collected files within limits. Most `GetFile` results are gzip, and the machines they come from may be hostile.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Gunzip from "./internal/gunzip.ts"
import * as Inflate from "./internal/inflate.ts"
import { oneLine } from "./internal/text.ts"

/**
 * The limits of the unpacked size of a file.
 *
 * @since 0.1.0
 * @category options
 */
export interface Limits {
  /** The largest unpacked size, in bytes. */
  readonly maxBytes: number

  /** The largest ratio of the unpacked size to the packed size. */
  readonly maxRatio: number

  /** The unpacked size from which `maxRatio` applies, in bytes: a small file of zeros is harmless. */
  readonly ratioFrom: number
}

/**
 * The default limits: 10 GB, and above 1 MB at most 200 times the packed size. Logs have a ratio of about 20, decompression
 * bombs of about 1,000.
 *
 * @since 0.1.0
 * @category options
 */
export const defaultLimits: Limits = { maxBytes: 10e9, maxRatio: 200, ratioFrom: 1e6 }

/**
 * A file was not unpacked, because its content is too large or the file is damaged. The packed file is unchanged.
 *
 * @since 0.1.0
 * @category errors
 */
export class ExtractionError extends Schema.TaggedError<ExtractionError>("@live-response/core/ExtractionError")(
  "ExtractionError",
  { problem: Schema.Literals(["TooLarge", "Damaged"]), description: Schema.String },
) {
  override get message(): string {
    return oneLine(
      this.problem === "TooLarge"
        ? `not unpacked: ${this.description}; it may be a decompression bomb, raise the limit if it is not`
        : `not unpacked: the file is damaged (${this.description}); the packed file is unchanged`,
    )
  }
}

const tooLarge = (description: string) => new ExtractionError({ problem: "TooLarge", description })

/**
 * @since 0.1.0
 * @category options
 */
export interface UnpackOptions {
  /** The name of the file in warnings. By default `a gzip file`. */
  readonly name?: string | undefined
}

/** Emits pieces of little more than 64 KiB, and lets other fibers run after each. */
const unpackBy =
  (makeSteps: (source: Inflate.Source) => Inflate.Steps<Result.Result<number, string>>) =>
  <E, R>(
    packed: Stream.Stream<Uint8Array, E, R>,
    limits: Limits = defaultLimits,
    { name = "a gzip file" }: UnpackOptions = {},
  ): Stream.Stream<Uint8Array, E | ExtractionError, R> =>
    Stream.suspend(() => {
      const source = new Inflate.Source()
      const steps = makeSteps(source)
      const sizes = { packed: 0, unpacked: 0 }

      /** The next piece. None if more input is needed, or at the end. */
      const next = Effect.gen(function* () {
        const step = steps.next()
        if (step.done !== true) {
          if (step.value === undefined) return Option.none<Uint8Array>()
          sizes.unpacked += step.value.length
          yield* check(sizes, limits)
          yield* Effect.yieldNow
          return Option.some(step.value)
        }
        if (Result.isFailure(step.value)) {
          return yield* new ExtractionError({ problem: "Damaged", description: step.value.failure })
        }
        if (step.value.success > 0) {
          yield* Effect.logWarning(
            `${name}: the ${step.value.success} bytes after the end of its gzip data are not gzip and were not unpacked`,
          )
        }
        return Option.none<Uint8Array>()
      })
      const pieces = Stream.unfold(undefined, () =>
        Effect.map(next, Option.match({ onNone: () => undefined, onSome: (piece) => [piece, undefined] as const })),
      )
      return packed.pipe(
        Stream.concat(
          Stream.suspend(() => {
            source.isLast = true
            return Stream.succeed(new Uint8Array())
          }),
        ),
        Stream.flatMap((bytes) => {
          source.push(bytes)
          sizes.packed += bytes.length
          return pieces
        }),
        Stream.filter((piece) => piece.length > 0),
      )
    })

const check = (
  { packed, unpacked }: { readonly packed: number; readonly unpacked: number },
  { ratioFrom, maxBytes, maxRatio }: Limits,
) => {
  if (unpacked > maxBytes) return Effect.fail(tooLarge(`more than ${maxBytes} bytes of content`))
  return unpacked > ratioFrom && unpacked > packed * maxRatio
    ? Effect.fail(tooLarge(`more than ${maxRatio} times its packed size`))
    : Effect.void
}

/**
 * Unpacks a stream of gzip within limits. It fails as soon as a limit is exceeded, so the disk does not fill up.
 *
 * **Details**
 *
 * A file may have any number of members, each followed by zeros. Other bytes after the last member are skipped with a
 * warning. This library does not use `DecompressionStream`, because runtimes differ in how they treat the bytes after the
 * first member.
 *
 * **Gotchas**
 *
 * The checksum of a member is at its end: a damaged file fails after most of its content was emitted.
 *
 * **Example** (Unpacking a stream to text)
 *
 * @example
 * ```ts
 * import * as Extraction from "@live-response/core/Extraction"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const packed = new Blob(["hello, world"]).stream().pipeThrough(new CompressionStream("gzip"))
 * const bytes = Stream.fromReadableStream<Uint8Array, Error>({ evaluate: () => packed, onError: () => new Error("unread") })
 *
 * const text = Extraction.gunzip(bytes).pipe(Stream.decodeText(), Stream.mkString)
 * console.log(await Effect.runPromise(text)) // hello, world
 * ```
 *
 * @since 0.1.0
 * @category unpacking
 */
export const gunzip: <E, R>(
  packed: Stream.Stream<Uint8Array, E, R>,
  limits?: Limits,
  options?: UnpackOptions,
) => Stream.Stream<Uint8Array, E | ExtractionError, R> = unpackBy(Gunzip.members)

/**
 * Unpacks a stream as `gunzip` does if it starts with a gzip header, and passes any other stream unchanged.
 *
 * **When to use**
 *
 * Use it for bytes that may or may not be packed, such as the result of a script.
 *
 * @since 0.1.0
 * @category unpacking
 */
export const gunzipIfPacked: <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  limits?: Limits,
  options?: UnpackOptions,
) => Stream.Stream<Uint8Array, E | ExtractionError, R> = unpackBy(Gunzip.membersOrPlain)
