/**
 * Files that are there whole, or not at all.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { File, FileSystem } from "effect/FileSystem"
import type { Path } from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import { fromPlatformError, StoreError } from "./StoreError.ts"

/**
 * The text of a file that should be small: of one that is not, its first `longest` bytes, which are no JSON then.
 *
 * @since 0.1.0
 * @category reading
 */
export const readText = (fs: FileSystem, path: string, longest: number): Effect.Effect<string, PlatformError> =>
  fs.stream(path, { bytesToRead: longest }).pipe(Stream.decodeText(), Stream.mkString)

/**
 * Gives a file that was written as `part` its name, and replaces what had that name. Its bytes are on the disk before,
 * and the name is when this returns.
 *
 * @since 0.1.0
 * @category writing
 */
export const publish = Effect.fnUntraced(function* (
  fs: FileSystem,
  paths: Path,
  file: File,
  part: string,
  path: string,
): Effect.fn.Return<void, StoreError> {
  yield* Effect.mapError(file.sync, fromPlatformError(part))
  yield* Effect.mapError(fs.rename(part, path), fromPlatformError(path))
  yield* PrivateDirectory.sync(fs, paths.dirname(path))
})

/**
 * Writes a file, for its owner alone (0600), and gives its size. Until all of it is on the disk it has another name,
 * `part`, by default its own with `.part` behind it: where two programs may write the same file at once, each needs a
 * part of its own. What was there before is replaced, unless the file does not have the size of what was written to it.
 *
 * @since 0.1.0
 * @category writing
 */
export const write = Effect.fnUntraced(function* <E, R>(
  fs: FileSystem,
  paths: Path,
  path: string,
  bytes: Stream.Stream<Uint8Array, E, R>,
  part: string = `${path}.part`,
): Effect.fn.Return<number, StoreError | E, R> {
  const partError = fromPlatformError(part)
  return yield* Effect.gen(function* () {
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(part, { force: true })))
    const file = yield* Effect.mapError(fs.open(part, { flag: "w", mode: 0o600 }), partError)
    let size = 0
    yield* Stream.runForEach(bytes, (chunk) => {
      size += chunk.length
      return Effect.mapError(file.writeAll(chunk), partError)
    })
    const onDisk = Number((yield* Effect.mapError(file.stat, partError)).size)
    if (onDisk !== size) {
      const detail = `the file has ${onDisk} bytes, written to it were ${size}, so another program writes to it; run it again`
      return yield* new StoreError({ path: part, problem: "Failed", detail })
    }
    yield* publish(fs, paths, file, part, path)
    return size
  }).pipe(Effect.scoped)
})
