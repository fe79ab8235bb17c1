/**
 * Calls of a file system that return at once, for programs with very many small files.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"

/**
 * Calls that never fail: `undefined` is the answer where a call would fail or take long. Then the same is done with
 * `FileSystem`, which says why.
 *
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** What is at a path, or `missing` where it is known that there is nothing. No link is followed. */
  readonly lstat: (path: string) => FileSystem.File.Info | "missing" | undefined

  /** The first bytes of a short file, at most `most`. */
  readonly read: (path: string, most: number) => Uint8Array | undefined

  /**
   * Flushes a directory in one step. It returns when the disk has it, and gives `false` where it failed. By default the
   * directory is opened, flushed and closed with `FileSystem`.
   */
  readonly flushDirectory?: ((path: string) => Effect.Effect<boolean>) | undefined
}

/**
 * The calls, or `undefined` (default) where the file system has none.
 *
 * **When to use**
 *
 * `NodeDirectFileSystem` provides them: `layerBatch` all, `layer` only `lstat`. A `PrivateDirectory` uses them for its checks
 * and for `readNow`.
 *
 * @since 0.1.0
 * @category services
 */
export const DirectFiles: Context.Reference<Service | undefined> = Context.Reference<Service | undefined>(
  "@live-response/core/DirectFiles",
  { defaultValue: () => undefined },
)
