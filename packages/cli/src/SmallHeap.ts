/** V8 collects garbage late where the machine has memory. A program that runs for weeks beside others, or reads much, need not. */
import { PerformanceObserver } from "node:perf_hooks"
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"

const setFlags = (flags: string): Effect.Effect<void> =>
  Effect.ignore(Effect.try({ try: () => setFlagsFromString(flags), catch: String }))

/** V8 collects old objects when there are so many more than after the last collection. */
const keepOldWithin = (percent: number) => setFlags(`--heap-growing-percent=${percent}`)

const keepNewAsItIs = setFlags("--semi-space-growth-factor=1")

const letNewGrow = setFlags("--semi-space-growth-factor=2")

const sizeOfNew = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0

const megabytes = 1024 * 1024

/** How large the space for new objects may become, in bytes. */
let largestNew = Infinity

const letNewBecome = (bytes: number) =>
  Effect.sync(() => {
    largestNew = bytes
  })

/** Of the parts of a program, the one that needs least decides. */
const limitNew = (bytes: number) => Effect.suspend(() => letNewBecome(Math.min(largestNew, bytes)))

const adjustNew = Effect.suspend(() => (sizeOfNew() < largestNew ? letNewGrow : keepNewAsItIs))

/**
 * Lets the space for new objects grow until it has its largest size, and hardly further, until the scope closes. It looks after each
 * collection: V8 enlarges the space while much survives, and takes it back when the program is idle.
 */
const keepNewWithin: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(
  Effect.acquireRelease(
    Effect.sync(() => {
      const observer = new PerformanceObserver(() => Effect.runSync(adjustNew))
      observer.observe({ entryTypes: ["gc"] })
      return observer
    }),
    (observer) => Effect.sync(() => observer.disconnect()),
  ),
)

/** Keeps the heap near what is in use, from now on: about half the memory, for some more garbage collection. */
export const keepHeapSmall = Effect.andThen(keepOldWithin(25), Effect.andThen(limitNew(0), keepNewAsItIs))

/**
 * Gives back what is free, in some tenths of a second. Only a new context has the function. A session of the inspector could do it as
 * well, but a program that closes it in its callback waits for itself for ever.
 */
const returnFree = Effect.gen(function* () {
  yield* setFlags("--expose-gc")
  yield* Effect.ignore(
    Effect.try({ try: () => runInNewContext("gc({ type: 'major', flavor: 'last-resort' })"), catch: String }),
  )
  yield* setFlags("--no-expose-gc")
})

const measureEvery = Duration.seconds(15)

/** What a runner of 300 idle tenants uses is a third of this share of a core, and what one at its quota uses is twice as much. */
const busyFrom = 0.12

/** The share of a core that the program has used since the last time. */
const makeUsage = Effect.map(Clock.monotonicTimeNanos, (start) => {
  let last = { at: start, cpu: process.cpuUsage() }
  return Effect.map(Clock.monotonicTimeNanos, (at) => {
    const { system, user } = process.cpuUsage(last.cpu)
    const share = (user + system) / (Number(at - last.at) / 1000)
    last = { at, cpu: process.cpuUsage() }
    return share
  })
})

/**
 * For a program that works for hours and is idle for days. While it is busy, speed counts: little space for old objects costs a
 * runner at its quota a third more CPU. When it has nothing to do any more, and after its start, it gives back what it does not use.
 */
export const keepHeapByLoad: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  yield* keepNewWithin
  const usage = yield* makeUsage
  const busy = Effect.andThen(keepOldWithin(60), letNewBecome(16 * megabytes))
  // The limit of old objects is computed when they are collected, so the collection comes last.
  const idle = Effect.all([keepOldWithin(15), letNewBecome(4 * megabytes), returnFree], { discard: true })
  let wasBusy = true
  yield* busy
  const adjust = Effect.flatMap(usage, (share) => {
    const isBusy = share >= busyFrom
    if (isBusy === wasBusy) return Effect.void
    wasBusy = isBusy
    return isBusy ? busy : idle
  })
  yield* Effect.forkScoped(Effect.repeat(Effect.delay(adjust, measureEvery), Schedule.forever))
})

/**
 * For a program that only downloads. V8 would give new objects several times as much space, where their garbage only stays longer.
 * With this limit, small files need a quarter to a third less memory, and no more CPU.
 */
export const keepNewModerate = Effect.andThen(limitNew(16 * megabytes), keepNewWithin)
