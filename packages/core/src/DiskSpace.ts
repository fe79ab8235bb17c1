/**
 * How much space a file system has left.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"

/**
 * In bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Space {
  /** What this program may still write. */
  readonly free: number
  /** The size of the file system. */
  readonly total: number
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The space of the file system that a directory is on; none where the system does not tell. */
  readonly of: (directory: string) => Effect.Effect<Option.Option<Space>>
}

/**
 * Knows nothing by default, so that no download fails for it: Effect's `FileSystem` can't tell. In Node `NodeDiskSpace`
 * can.
 *
 * @since 0.1.0
 * @category services
 */
export const DiskSpace = Context.Reference<Service>("@live-response/core/DiskSpace", {
  defaultValue: () => ({ of: () => Effect.succeedNone }),
})
