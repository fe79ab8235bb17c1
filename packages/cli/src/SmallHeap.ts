/** V8 collects garbage late where the machine has memory. A program that runs for weeks beside others, or reads much, need not. */
import { PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const setFlags = (flags: string): Effect.Effect<void> =>
  Effect.ignore(Effect.try({ try: () => setFlagsFromString(flags), catch: String }))

/** V8 collects old objects when there are so many more than after the last collection. */
const keepOldWithin = (percent: number) => setFlags(`--heap-growing-percent=${percent}`)

const keepNewAsItIs = setFlags("--semi-space-growth-factor=1")

const letNewGrow = setFlags("--semi-space-growth-factor=2")

/**
 * A start uses space that is not needed later, for new objects above all. V8 returns it only while memory counts more than speed: for a
 * moment, because a program that always prefers memory needs half as much CPU again.
 */
const returnWhatStartUsed: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(
  setFlags("--optimize-for-size").pipe(
    Effect.delay("30 seconds"),
    Effect.andThen(Effect.delay(setFlags("--no-optimize-for-size"), "30 seconds")),
    Effect.forkScoped,
  ),
)

const sizeOfNew = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0

/** How large the space for new objects may become, in bytes. Of the parts of a program, the one that needs least decides. */
let largestNew = Infinity

const limitNew = (bytes: number) =>
  Effect.sync(() => {
    largestNew = Math.min(largestNew, bytes)
  })

const adjustNew = Effect.suspend(() => (sizeOfNew() < largestNew ? letNewGrow : keepNewAsItIs))

/**
 * Lets the space for new objects grow to this many bytes, and hardly further, until the scope closes. It looks after each collection:
 * V8 enlarges the space while much survives, and takes it back when the program is idle.
 */
const keepNewOf = (bytes: number): Effect.Effect<void, never, Scope.Scope> => {
  const observe = Effect.sync(() => {
    const observer = new PerformanceObserver(() => Effect.runSync(adjustNew))
    observer.observe({ entryTypes: ["gc"] })
    return observer
  })
  const observed = Effect.acquireRelease(observe, (observer) => Effect.sync(() => observer.disconnect()))
  return Effect.andThen(limitNew(bytes), Effect.asVoid(observed))
}

/** Keeps the heap near what is in use, from now on: about half the memory, for some more garbage collection. */
export const keepHeapSmall = Effect.andThen(keepOldWithin(25), Effect.andThen(limitNew(0), keepNewAsItIs))

/**
 * For a program that is idle most of the time: old objects get less space, and new ones get enough while there are many. Where
 * each result is soon garbage, the one megabyte that V8 starts with is collected so often that it costs two fifths of the CPU of a runner.
 */
export const keepHeapModerate = Effect.all([returnWhatStartUsed, keepOldWithin(15), keepNewOf(4 * 1024 * 1024)], {
  discard: true,
})

/**
 * For a program that only downloads. V8 would give new objects several times as much space, where their garbage only stays longer.
 * With this limit, small files need a quarter to a third less memory, and no more CPU.
 */
export const keepNewModerate = keepNewOf(16 * 1024 * 1024)
