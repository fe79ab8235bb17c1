/**
 * Files of JSON lines that are only ever appended to: what a program remembers for the next one, whatever becomes of it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import { fromPlatformError, type StoreError } from "./StoreError.ts"
import * as TerminalText from "./TerminalText.ts"

const lineFeed = 0x0a

/**
 * The entries of a file, in order; none where there is no file. A line that is none, such as one that a crash cut off, is
 * passed over.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = <A, I>(
  path: string,
  schema: Schema.Codec<A, I>,
): Stream.Stream<A, StoreError, FileSystem.FileSystem> => {
  const decode = Schema.decodeUnknownOption(Schema.fromJsonString(schema))
  return Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      return (yield* fs.exists(path)) ? fs.stream(path) : Stream.empty
    }),
  ).pipe(
    Stream.mapError(fromPlatformError(path)),
    Stream.decodeText(),
    Stream.splitLines,
    Stream.flatMap((line) => Stream.fromIterable(Option.toArray(decode(line)))),
  )
}

/**
 * Opens a file to append entries. Each is on the disk when `append` is over, in a line of its own also where a crash cut
 * the one before off. For its owner alone (0600). Its directory must be there.
 *
 * @since 0.1.0
 * @category writing
 */
export const open = Effect.fnUntraced(function* <A, I>(
  path: string,
  schema: Schema.Codec<A, I>,
): Effect.fn.Return<
  { readonly append: (entry: A) => Effect.Effect<void, StoreError> },
  StoreError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const encode = Schema.encodeEffect(Schema.fromJsonString(schema))
  const storeError = fromPlatformError(path)
  const file = yield* Effect.mapError(fs.open(path, { flag: "a+", mode: 0o600 }), storeError)
  let isTorn = false
  /** What is written after a line that was cut off begins a line of its own. */
  const write = (text: string) =>
    Effect.suspend(() => file.writeAll(new TextEncoder().encode(isTorn ? `\n${text}` : text))).pipe(
      Effect.andThen(file.sync),
      Effect.mapError(storeError),
      Effect.onExit((exit) =>
        Effect.sync(() => {
          isTorn = Exit.isFailure(exit)
        }),
      ),
      Effect.uninterruptible,
    )

  // The name of a file is on the disk only when its directory is.
  yield* PrivateDirectory.sync(fs, (yield* Path.Path).dirname(path))
  const { size } = yield* Effect.mapError(file.stat, storeError)
  if (size > 0) {
    const last = yield* Stream.runCollect(fs.stream(path, { offset: Number(size) - 1 })).pipe(
      Effect.mapError(storeError),
    )
    isTorn = last[0]?.[0] !== lineFeed
  }
  return {
    append: (entry) =>
      Effect.flatMap(Effect.orDie(encode(entry)), (line) => write(`${TerminalText.escapeJson(line)}\n`)),
  }
})
