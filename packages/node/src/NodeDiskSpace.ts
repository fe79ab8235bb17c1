/**
 * The free space of a file system in Node.
 *
 * @since 0.1.0
 */
import { statfsSync } from "node:fs"
import { DiskSpace, type Service } from "@live-response/core/DiskSpace"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const make: Service = {
  of: (directory) =>
    // Handing the call to another thread costs ten times the call, and each result needs one.
    Effect.try(() => statfsSync(directory)).pipe(
      Effect.map(({ bavail, blocks, bsize }) => ({ free: bavail * bsize, total: blocks * bsize })),
      Effect.option,
    ),
}

/**
 * Asks the system for the free space (`statfs`) each time.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never> = Layer.succeed(DiskSpace, make)
