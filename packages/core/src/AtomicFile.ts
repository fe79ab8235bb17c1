/**
 * Writes files so that they are complete or do not exist.
 *
 * It is public because the command line writes its tables with it. A directory is an argument and not a service, because a
 * program may have several.
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
 * Flushes the file `part` and renames it to `name`, which replaces any file of that name. The new name is durable when the
 * effect succeeds. In a temporary directory nothing is flushed.
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
  if (!directory.isTemporary) yield* Effect.mapError(file.sync, fromPlatformError(directory.pathOf(part)))
  yield* directory.rename(part, name)
})

/**
 * Writes a file that only its owner may read (0600), and returns its size in bytes. A file of that name is replaced.
 *
 * **Details**
 *
 * Until all bytes are on the disk the file is named `part`, by default `<name>.part`. If it fails, `part` is removed and the
 * earlier file stays.
 *
 * **Gotchas**
 *
 * If two programs may write the same file at once, each needs its own `part`. A file whose size is not that of the bytes
 * written to it fails with a `StoreError`, because then another program writes to the same `part`.
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
      const detail = `the file has ${onDisk} bytes but ${size} were written, so another program writes to it; run it again when that program has finished`
      return yield* new StoreError({ path, problem: "Failed", detail })
    }
    yield* publish(directory, file, part, name)
    return size
  }).pipe(Effect.scoped)
})
