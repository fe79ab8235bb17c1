/**
 * Directories that nobody else may look into.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { Path } from "effect/Path"
import type { PlatformError } from "effect/PlatformError"

/**
 * Makes a directory, for its owner alone (0700), and those above it that are missing. Step by step, because Node's own
 * recursion never ends where a directory can be looked at but not written to, as in /proc.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (fs: FileSystem, path: Path, directory: string): Effect.Effect<void, PlatformError> =>
  fs.makeDirectory(directory, { mode: 0o700 }).pipe(
    Effect.catchTag("PlatformError", (error) => {
      switch (error.reason._tag) {
        case "AlreadyExists":
          return Effect.flatMap(fs.stat(directory), ({ type }) =>
            type === "Directory" ? Effect.void : Effect.fail(error),
          )
        case "NotFound": {
          const parent = path.dirname(directory)
          if (parent === directory) return Effect.fail(error)
          return Effect.andThen(make(fs, path, parent), fs.makeDirectory(directory, { mode: 0o700 }))
        }
        default:
          return Effect.fail(error)
      }
    }),
  )
