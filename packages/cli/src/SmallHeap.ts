/** V8 collects garbage late where the machine has memory. A program that runs for weeks beside others, or reads much, need not. */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

const setFlags = (flags: string): Effect.Effect<void> =>
  Effect.ignore(Effect.try({ try: () => setFlagsFromString(flags), catch: String }))

const keepOldSmall = setFlags("--heap-growing-percent=25")

const keepNewAsItIs = setFlags("--semi-space-growth-factor=1")

/** Keeps the heap near what is in use, from now on: about half the memory, for some more garbage collection. */
export const keepHeapSmall = Effect.andThen(keepOldSmall, keepNewAsItIs)

/**
 * In bytes. Where each result is soon garbage, the one megabyte that V8 starts with is collected so often that it costs two fifths
 * of the CPU of a runner.
 */
const enoughForNew = 4 * 1024 * 1024

const sizeOfNew = Effect.sync(
  () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0,
)

/** As `keepHeapSmall`, once new objects have enough space. */
export const keepHeapModerate = Effect.andThen(
  keepOldSmall,
  Effect.forkScoped(
    Effect.andThen(
      Effect.repeat(sizeOfNew, { until: (size) => size >= enoughForNew, schedule: Schedule.spaced("1 second") }),
      keepNewAsItIs,
    ),
  ),
)
