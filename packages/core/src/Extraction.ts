/**
 * What is inside a collected file: `GetFile` results are gzip, mostly, and come from machines that may be hostile.
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
 * 10 GB, and beyond 1 MB at most 200 times what went in: logs come to some 20 times, a bomb to 1,000.
 *
 * @since 0.1.0
 * @category options
 */
export const defaultLimits: Limits = { maxBytes: 10e9, maxRatio: 200, denseFrom: 1e6 }

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

const tooLarge = (description: string) => new ExtractionError({ problem: "TooLarge", description })

/**
 * @since 0.1.0
 * @category options
 */
export interface UnpackOptions {
  /** What the file is called in a warning. */
  readonly name?: string | undefined
}

/** Pieces as they come out, none of which is larger than 64 KiB and some. Others have their turn after each of them. */
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
      const given = { read: 0, unpacked: 0 }

      /** To where more input is needed, or to the end. */
      const next = Effect.gen(function* () {
        const step = steps.next()
        if (step.done !== true) {
          if (step.value === undefined) return Option.none<Uint8Array>()
          given.unpacked += step.value.length
          yield* check(given, limits)
          yield* Effect.yieldNow
          return Option.some(step.value)
        }
        if (Result.isFailure(step.value)) {
          return yield* new ExtractionError({ problem: "Damaged", description: step.value.failure })
        }
        if (step.value.success > 0) {
          yield* Effect.logWarning(
            `${name}: ${step.value.success} bytes after the end of its gzip data are not gzip, and were not unpacked`,
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
          given.read += bytes.length
          return pieces
        }),
        Stream.filter((piece) => piece.length > 0),
      )
    })

const check = (
  { read, unpacked }: { readonly read: number; readonly unpacked: number },
  { denseFrom, maxBytes, maxRatio }: Limits,
) => {
  if (unpacked > maxBytes) return Effect.fail(tooLarge(`more than ${maxBytes} bytes come out of it`))
  return unpacked > denseFrom && unpacked > read * maxRatio
    ? Effect.fail(tooLarge(`more than ${maxRatio} times of what it has comes out of it`))
    : Effect.void
}

/**
 * Unpacks gzip as it flows, within limits. It fails as soon as one is passed, so that no disk fills up.
 *
 * **Details**
 *
 * A file may have any number of members, each followed by zeros. Other bytes after the last member are left out with a
 * warning; what comes before them is unpacked. The code is this library's own, because the web's `DecompressionStream`
 * treats what follows the first member differently on each runtime.
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
 * Unpacks what begins as gzip does, as `gunzip`; anything else comes as it is. For what may be packed or not, such as the
 * result of a script.
 *
 * @since 0.1.0
 * @category unpacking
 */
export const gunzipIfPacked: <E, R>(
  bytes: Stream.Stream<Uint8Array, E, R>,
  limits?: Limits,
  options?: UnpackOptions,
) => Stream.Stream<Uint8Array, E | ExtractionError, R> = unpackBy(Gunzip.membersOrPlain)
