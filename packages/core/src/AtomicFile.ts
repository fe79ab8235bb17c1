/**
 * Files that are there whole, or not at all.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { File } from "effect/FileSystem"
import * as Stream from "effect/Stream"
import * as FileName from "./FileName.ts"
import type { PrivateDirectory } from "./PrivateDirectory.ts"
import { fromPlatformError, StoreError } from "./StoreError.ts"

/**
 * Gives a file that was written as `part` its name, and replaces what had that name. Its bytes are on the disk before,
 * and the name is when this returns.
 *
 * @since 0.1.0
 * @category writing
 */
export const publish = Effect.fnUntraced(function* (
  directory: PrivateDirectory,
  file: File,
  part: string,
  name: string,
): Effect.fn.Return<void, StoreError> {
  yield* Effect.mapError(file.sync, fromPlatformError(directory.pathOf(part)))
  yield* directory.rename(part, name)
  yield* directory.syncDirectoryOf(name)
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
  directory: PrivateDirectory,
  name: string,
  bytes: Stream.Stream<Uint8Array, E, R>,
  part: string = FileName.partOf(name),
): Effect.fn.Return<number, StoreError | E, R> {
  const path = directory.pathOf(part)
  const partError = fromPlatformError(path)
  return yield* Effect.gen(function* () {
    yield* Effect.addFinalizer(() => Effect.ignore(directory.remove(part)))
    const file = yield* directory.create(part)
    let size = 0
    yield* Stream.runForEach(bytes, (chunk) => {
      size += chunk.length
      return Effect.mapError(file.writeAll(chunk), partError)
    })
    const onDisk = Number((yield* Effect.mapError(file.stat, partError)).size)
    if (onDisk !== size) {
      const detail = `the file has ${onDisk} bytes, written to it were ${size}, so another program writes to it; run it again`
      return yield* new StoreError({ path, problem: "Failed", detail })
    }
    yield* publish(directory, file, part, name)
    return size
  }).pipe(Effect.scoped)
})
