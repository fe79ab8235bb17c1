/**
 * The free space of a file system.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/**
 * The space of a file system, in bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Space {
  /** How much this program may still write. */
  readonly free: number
  /** The size of the file system. */
  readonly total: number
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The space of the file system that a directory is on. None if the system does not know it. */
  readonly of: (directory: string) => Effect.Effect<Option.Option<Space>>
}

/**
 * Knows the free space of file systems.
 *
 * **Details**
 *
 * By default it knows none, because Effect's `FileSystem` does not report it, and no download fails for lack of space. In
 * Node, provide `NodeDiskSpace.layer`.
 *
 * @since 0.1.0
 * @category services
 */
export const DiskSpace = Context.Reference<Service>("@live-response/core/DiskSpace", {
  defaultValue: () => ({ of: () => Effect.succeedNone }),
})
