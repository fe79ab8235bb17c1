/** V8 collects garbage late where the machine has memory. A program that runs for weeks beside others, or reads much, need not. */
import { PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import * as Effect from "effect/Effect"

const setFlags = (flags: string): Effect.Effect<void> =>
  Effect.ignore(Effect.try({ try: () => setFlagsFromString(flags), catch: String }))

/** V8 collects old objects when there are so many more than after the last collection. */
const keepOldWithin = (percent: number) => setFlags(`--heap-growing-percent=${percent}`)

const keepNewAsItIs = setFlags("--semi-space-growth-factor=1")

const letNewGrow = setFlags("--semi-space-growth-factor=2")

/** Keeps the heap near what is in use, from now on: about half the memory, for some more garbage collection. */
export const keepHeapSmall = Effect.andThen(keepOldWithin(25), keepNewAsItIs)

/**
 * The space for new objects, in bytes. Where each result is soon garbage, the one megabyte that V8 starts with is collected so often
 * that it costs two fifths of the CPU of a runner.
 */
const enoughForNew = 4 * 1024 * 1024

const sizeOfNew = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0

/** After a collection. V8 enlarges the space while much survives, and takes it back when the program is idle. */
const adjustNew = Effect.suspend(() => (sizeOfNew() < enoughForNew ? letNewGrow : keepNewAsItIs))

/** For a program that is idle most of the time: old objects are kept closer, and new ones have enough space while there are many. */
export const keepHeapModerate = Effect.andThen(
  Effect.andThen(keepOldWithin(15), keepNewAsItIs),
  Effect.acquireRelease(
    Effect.sync(() => {
      const observer = new PerformanceObserver(() => Effect.runSync(adjustNew))
      observer.observe({ entryTypes: ["gc"] })
      return observer
    }),
    (observer) => Effect.sync(() => observer.disconnect()),
  ),
)
