/**
 * Files that are there whole, or not at all.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { Path } from "effect/Path"
import * as Stream from "effect/Stream"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import { fromPlatformError, type StoreError } from "./StoreError.ts"

/**
 * Writes a file, for its owner alone (0600), and gives its size. Until all of it is on the disk it has another name,
 * `part`, by default its own with `.part` behind it: where two programs may write the same file at once, each needs a
 * part of its own. What was there before is replaced.
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
    yield* Effect.mapError(file.sync, partError)
    yield* Effect.mapError(fs.rename(part, path), fromPlatformError(path))
    yield* PrivateDirectory.sync(fs, paths.dirname(path))
    return size
  }).pipe(Effect.scoped)
})
