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

const sizeOfNew = Effect.sync(
  () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0,
)

/** Lets the space for new objects grow to this many bytes, and no further. */
const keepNewOf = (bytes: number) =>
  Effect.forkScoped(
    Effect.andThen(
      Effect.repeat(sizeOfNew, { until: (size) => size >= bytes, schedule: Schedule.spaced("1 second") }),
      keepNewAsItIs,
    ),
  )

/**
 * As `keepHeapSmall`, once new objects have enough space. Where each result is soon garbage, the one megabyte that V8 starts with
 * is collected so often that it costs two fifths of the CPU of a runner.
 */
export const keepHeapModerate = Effect.andThen(keepOldSmall, keepNewOf(4 * 1024 * 1024))

/**
 * For a program that does nothing else than to download. V8 would give new objects several times as much space, in which their
 * garbage only lies longer: without that, small files need a quarter to a third less memory, and no more CPU.
 */
export const keepNewModerate = keepNewOf(16 * 1024 * 1024)
