/**
 * What calls that wait for a permit cost: bytes of heap each, and microseconds from the permit to the end of the call. Both
 * stay the same however many calls wait.
 *
 *     node packages/core/bench/waitingCalls.ts
 */
import { memoryUsage } from "node:process"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Quota from "@live-response/core/Quota"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { inVirtualTime, layerTestClock } from "@live-response/core/testing/LiveResponseTest"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { figure, table } from "./table.ts"

const sizes = [1000, 10_000, 100_000]
const perSecond = 1000

/** Small sizes are measured more often, because their figures vary more. */
const roundsOf = (callers: number) => Math.min(20, Math.ceil(300_000 / callers))

// A context that is created after the flag is set has the function, so node needs no flag.
setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")
if (!Predicate.isFunction(collect)) throw new Error("this engine has no gc")

const heap = Effect.sync(() => {
  // The second collection frees what the first one only prepared. Otherwise it would count as negative bytes.
  collect()
  collect()
  return memoryUsage().heapUsed
})

const liveMicros = Effect.map(TestClock.withLive(Clock.monotonicTimeNanos), (nanos) => Number(nanos) / 1000)

/** Forks the callers, and lets them run until they wait. */
const forkAll = Effect.fnUntraced(function* <A, E, R>(callers: number, caller: Effect.Effect<A, E, R>) {
  const fibers: Array<Fiber.Fiber<A, E>> = []
  for (let i = 0; i < callers; i++) fibers.push(yield* Effect.forkChild(caller))
  yield* Effect.sleep(1)
  return fibers
})

/** Bytes of heap that each caller uses while it waits. */
const bytesEach = Effect.fnUntraced(function* <A, E, R>(callers: number, caller: Effect.Effect<A, E, R>) {
  const before = yield* heap
  const fibers = yield* forkAll(callers, caller)
  const bytes = ((yield* heap) - before) / callers
  yield* Fiber.interruptAll(fibers)
  return bytes
})

/** The smallest thing that can wait: a fiber with its own deferred. The cost of the quota is the difference to it. */
const bare = Effect.suspend(() => Deferred.await(Deferred.makeUnsafe<void>()))

/** Calls that do nothing, over a quota whose window is full, so that every call waits. */
const makeCall = Effect.gen(function* () {
  const window = QuotaRule.Window.make({ limit: perSecond, duration: Duration.seconds(1) })
  const quota = yield* Quota.make({ name: "bench", windows: [window] })
  const call = quota.withPermit(Effect.void)
  yield* Effect.forEach(Array.from({ length: perSecond }), () => call, { discard: true })
  return { call, waiting: Effect.map(quota.status, ({ waiting }) => waiting) }
})

const bytes = Effect.fnUntraced(function* (callers: number) {
  const { call } = yield* makeCall
  return { bare: yield* bytesEach(callers, bare), inQuota: yield* bytesEach(callers, call) }
})

/** Measured apart from the bytes, because code runs slower right after a full collection. */
const micros = Effect.fnUntraced(function* (callers: number) {
  const { call, waiting } = yield* makeCall
  const fibers = yield* forkAll(callers, call)
  if ((yield* waiting) !== callers) return yield* Effect.die("not all of the calls wait")
  const startedAt = yield* liveMicros
  yield* Fiber.joinAll(fibers)
  return ((yield* liveMicros) - startedAt) / callers
})

const rounds = <A, E>(
  count: number,
  measure: Effect.Effect<A, E, QuotaStore.QuotaStore | Scope.Scope>,
): Effect.Effect<ReadonlyArray<A>, E> =>
  inVirtualTime(Effect.scoped(measure), "1 hour").pipe(
    Effect.provide([QuotaStore.layerMemory, layerTestClock]),
    Effect.replicateEffect(count),
  )

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

const row = Effect.fnUntraced(function* (callers: number) {
  const times = yield* rounds(roundsOf(callers), micros(callers))
  // The maximum, not the median: rounds have one of two sizes, some 15 % apart, and the larger one is the cost.
  const heaps = yield* rounds(5, bytes(callers))
  return [
    figure(callers),
    figure(Math.max(...heaps.map(({ inQuota }) => inQuota))),
    figure(Math.max(...heaps.map(({ bare }) => bare))),
    figure(median(times), 1),
    figure(Math.min(...times), 1),
  ]
})

const head = ["waiting at once", "bytes a call, most", "of these the bare fiber", "µs a permit, median", "best"]

const main = Effect.gen(function* () {
  // Lets the engine compile everything before anything is measured.
  yield* rounds(5, micros(10_000))
  const rows = yield* Effect.forEach(sizes, row)
  yield* Console.log(table(head, rows))
  yield* Console.log(`
${figure(perSecond)} permits a second, in virtual time. The time is all of a call that does nothing: permit, call, stamp, metrics.`)
})

await Effect.runPromise(main)
