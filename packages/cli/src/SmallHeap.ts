/** V8 collects garbage late where the machine has memory. A program that runs for weeks beside others, or reads much, need not. */
import { PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import * as Effect from "effect/Effect"

const setFlags = (flags: string): Effect.Effect<void> =>
  Effect.ignore(Effect.try({ try: () => setFlagsFromString(flags), catch: String }))

const keepOldSmall = setFlags("--heap-growing-percent=15")

const keepNewAsItIs = setFlags("--semi-space-growth-factor=1")

const letNewGrow = setFlags("--semi-space-growth-factor=2")

/** Keeps the heap near what is in use, from now on: about half the memory, for some more garbage collection. */
export const keepHeapSmall = Effect.andThen(keepOldSmall, keepNewAsItIs)

/**
 * The space for new objects, in bytes. Where each result is soon garbage, the one megabyte that V8 starts with is collected so often
 * that it costs two fifths of the CPU of a runner.
 */
const enoughForNew = 4 * 1024 * 1024

const sizeOfNew = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0

/** After a collection. V8 doubles the space while much survives, and takes it back when the program is idle. */
const adjustNew = Effect.suspend(() => (sizeOfNew() < enoughForNew ? letNewGrow : keepNewAsItIs))

/** As `keepHeapSmall`, but new objects have enough space while there are many, until the scope closes. */
export const keepHeapModerate = Effect.andThen(
  keepHeapSmall,
  Effect.acquireRelease(
    Effect.sync(() => {
      const observer = new PerformanceObserver(() => Effect.runSync(adjustNew))
      observer.observe({ entryTypes: ["gc"] })
      return observer
    }),
    (observer) => Effect.sync(() => observer.disconnect()),
  ),
)
