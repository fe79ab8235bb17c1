/**
 * Directories that nobody else may look into.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { Path } from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import { fromPlatformError, type StoreError } from "./StoreError.ts"

/** Makes one directory, or finds it there: another program may make the same at the same time. */
const makeOne = (fs: FileSystem, directory: string): Effect.Effect<void, PlatformError> =>
  fs
    .makeDirectory(directory, { mode: 0o700 })
    .pipe(
      Effect.catchTag("PlatformError", (error) =>
        error.reason._tag === "AlreadyExists"
          ? Effect.flatMap(fs.stat(directory), ({ type }) => (type === "Directory" ? Effect.void : Effect.fail(error)))
          : Effect.fail(error),
      ),
    )

/**
 * Makes a directory, for its owner alone (0700), and those above it that are missing. Step by step, because Node's own
 * recursion never ends where a directory can be looked at but not written to, as in /proc.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (fs: FileSystem, path: Path, directory: string): Effect.Effect<void, PlatformError> =>
  makeOne(fs, directory).pipe(
    Effect.catchTag("PlatformError", (error) => {
      const parent = path.dirname(directory)
      return error.reason._tag === "NotFound" && parent !== directory
        ? Effect.andThen(make(fs, path, parent), makeOne(fs, directory))
        : Effect.fail(error)
    }),
  )

/** Whether a failure means that the disk or the process is in trouble, and not that the platform can't do it. */
const isTrouble = ({ detail, problem }: StoreError): boolean =>
  problem === "DiskFull" || problem === "TooManyOpenFiles" || detail.startsWith("EIO:")

/**
 * Flushes a directory to the disk: a name is there for good only when its directory is. Some platforms can't, and need
 * not: that is no failure. A disk that is full or broken, or too many open files, is one.
 *
 * @since 0.1.0
 * @category writing
 */
export const sync = (fs: FileSystem, directory: string): Effect.Effect<void, StoreError> =>
  Effect.scoped(Effect.flatMap(fs.open(directory, { flag: "r" }), (directory) => directory.sync)).pipe(
    Effect.mapError(fromPlatformError(directory)),
    Effect.catch((error) => (isTrouble(error) ? Effect.fail(error) : Effect.void)),
  )
