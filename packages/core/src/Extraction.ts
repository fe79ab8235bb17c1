/**
 * What is inside a collected file: `GetFile` results are gzip, mostly, and come from machines that may be hostile.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { oneLine } from "./internal/text.ts"

/**
 * How much may come out of a file: so many bytes, and so many times what went in. Beyond `denseFrom` bytes alone the
 * second counts, for a small file of zeros is no attack.
 *
 * @since 0.1.0
 * @category options
 */
export interface Limits {
  readonly maxBytes: number
  readonly maxRatio: number
  readonly denseFrom: number
}

/**
 * 10 GB, and beyond 100 MB at most 200 times what went in: logs come to some 20 times, a bomb to 1,000.
 *
 * @since 0.1.0
 * @category options
 */
export const defaultLimits: Limits = { maxBytes: 10e9, maxRatio: 200, denseFrom: 100e6 }

/**
 * A file is not unpacked: more would come out of it than may, or it is damaged. The file itself is kept as it came.
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
        ? `not unpacked: ${this.description}; it may be a bomb, raise the limit if it is none`
        : `not unpacked: the file is damaged (${this.description}); it is kept as it came`,
    )
  }
}

/** What the platform says, which some have in the cause alone. */
const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.message || (cause.cause instanceof Error ? cause.cause.message : cause.name)
}

const tooLarge = (description: string) => new ExtractionError({ problem: "TooLarge", description })

/**
 * Unpacks gzip as it flows, within limits. It fails as soon as one is passed, so that no disk fills up.
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
export const gunzip = <E, R>(
  packed: Stream.Stream<Uint8Array, E, R>,
  limits: Limits = defaultLimits,
): Stream.Stream<Uint8Array, E | ExtractionError, R> =>
  Effect.gen(function* () {
    let read = 0
    let given = 0
    let failure: { readonly error: E } | undefined
    const source = packed.pipe(
      Stream.map((bytes) => {
        read += bytes.length
        return new Uint8Array(bytes)
      }),
      Stream.tapError((error) =>
        Effect.sync(() => {
          failure = { error }
        }),
      ),
    )
    const readable = yield* Stream.toReadableStreamEffect(source)
    return Stream.fromReadableStream<Uint8Array, E | ExtractionError>({
      evaluate: () => readable.pipeThrough(new DecompressionStream("gzip")),
      onError: (cause) =>
        failure === undefined
          ? new ExtractionError({ problem: "Damaged", description: reasonOf(cause) })
          : failure.error,
    }).pipe(
      Stream.mapEffect((bytes) => {
        given += bytes.length
        if (given > limits.maxBytes) return Effect.fail(tooLarge(`more than ${limits.maxBytes} bytes come out of it`))
        if (given > limits.denseFrom && given > read * limits.maxRatio) {
          return Effect.fail(tooLarge(`more than ${limits.maxRatio} times of what it has comes out of it`))
        }
        return Effect.succeed(bytes)
      }),
    )
  }).pipe(Stream.unwrap)
