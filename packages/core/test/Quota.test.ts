import { assert, describe, it } from "@effect/vitest"
import { DefenderApi } from "@live-response/core/DefenderApi"
import * as Quota from "@live-response/core/Quota"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { QuotaStoreError, Unreachable } from "@live-response/core/QuotaStoreError"
import * as Timing from "@live-response/core/Timing"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { refsUpTo } from "./support/refs.ts"

const { inVirtualTime } = LiveResponseTest

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

interface Limit {
  readonly limit: number
  readonly millis: number
}

const toWindows = (windows: ReadonlyArray<Limit>) =>
  windows.map(({ limit, millis }) => QuotaRule.Window.make({ limit, duration: Duration.millis(millis) }))

const quotaOf = (windows: ReadonlyArray<Limit>) =>
  Quota.make({ name: "test", windows: toWindows(windows) }).pipe(Effect.provide(QuotaStore.layerMemory))

const away = new QuotaStoreError({
  store: "a log of tests",
  reason: new Unreachable({ description: "away" }),
  advice: "wait",
})

const onePerSecond = quotaOf([{ limit: 1, millis: 1000 }])

/** The largest number of calls in any rolling window of this length. */
const most = (instants: ReadonlyArray<number>, millis: number): number =>
  Math.max(0, ...instants.map((end) => instants.filter((at) => at > end - millis && at <= end).length))

/** Records who calls, and when. */
const makeJournal = Effect.gen(function* () {
  const startedAt = yield* Clock.currentTimeMillis
  const entries: Array<readonly [who: string, at: number]> = []
  const note = (who: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      entries.push([who, now - startedAt])
    })
  return { entries, note }
})

describe("Quota", () => {
  /** A server that throttles calls over the limit of a rolling window, and counts those too. */
  const makeServer = (windows: ReadonlyArray<Limit>) => {
    const seen: Array<{ readonly at: number; readonly own: boolean; readonly wait: number }> = []
    return {
      seen,
      receive: (own: boolean) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          const waits = windows.map(({ limit, millis }) => {
            const mustLeave = seen.filter((call) => call.at > at - millis).at(-limit)
            return mustLeave === undefined ? 0 : mustLeave.at + millis - at
          })
          const wait = Math.max(0, ...waits)
          seen.push({ at, own, wait })
          return wait
        }),
    }
  }

  const latency = between(10, 15_000)
  const callers = Schema.Array(
    Schema.Struct({
      pause: between(0, 4000),
      there: latency,
      back: latency,
      priority: Schema.Boolean,
      leaves: Schema.UndefinedOr(between(0, 60_000)),
    }),
  )
  const someWindows = Schema.NonEmptyArray(Schema.Struct({ limit: between(1, 6), millis: between(2000, 60_000) }))

  /** Callers wait, call, repeat a throttled call, or are interrupted, while unknown callers use the same quota. */
  const runBatch = Effect.fnUntraced(function* (
    windows: ReadonlyArray<Limit>,
    calls: typeof callers.Type,
    foreign: ReadonlyArray<number>,
  ) {
    const quota = yield* quotaOf(windows)
    const server = makeServer(windows)
    const blocks: Array<{ readonly from: number; readonly until: number }> = []
    const starts: Array<number> = []
    const call = ({ back, priority, there }: (typeof calls)[number]) =>
      quota
        .withPermit(
          Effect.gen(function* () {
            starts.push(yield* Clock.currentTimeMillis)
            yield* Effect.sleep(there)
            const wait = yield* server.receive(true)
            yield* Effect.sleep(back)
            return wait
          }),
          { priority },
        )
        .pipe(
          Effect.tap((wait) => {
            if (wait === 0) return Effect.void
            return Effect.flatMap(Clock.currentTimeMillis, (from) => {
              blocks.push({ from, until: from + wait })
              return quota.throttled(Duration.millis(wait))
            })
          }),
          Effect.repeat({ while: (wait) => wait > 0 }),
        )
    let served = 0
    const batch = Effect.gen(function* () {
      const others = yield* Effect.forkChild(
        Effect.forEach(foreign, (pause) => Effect.andThen(Effect.sleep(pause), server.receive(false))),
      )
      const fibers: Array<Fiber.Fiber<void, QuotaStoreError>> = []
      for (const caller of calls) {
        yield* Effect.sleep(caller.pause)
        const fiber = yield* Effect.forkChild(Effect.map(call(caller), () => void served++))
        if (caller.leaves === undefined) fibers.push(fiber)
        else yield* Effect.forkChild(Effect.delay(Fiber.interrupt(fiber), caller.leaves))
      }
      yield* Fiber.awaitAll(fibers)
      yield* Fiber.interrupt(others)
    })
    yield* inVirtualTime(batch, "30 days")
    return { seen: server.seen, blocks, starts, served, waiting: (yield* quota.status).waiting }
  }, Effect.scoped)

  it.effect.prop(
    "is never throttled without other callers, whatever the arrivals, latencies and interruptions",
    [someWindows, callers],
    ([windows, calls]) =>
      Effect.gen(function* () {
        const { seen, served, waiting } = yield* runBatch(windows, calls, [])
        for (const { limit, millis } of windows)
          assert.isAtMost(
            most(
              seen.map(({ at }) => at),
              millis,
            ),
            limit,
          )
        assert.deepStrictEqual(
          seen.filter(({ wait }) => wait > 0),
          [],
        )
        assert.isAtLeast(served, calls.filter(({ leaves }) => leaves === undefined).length)
        assert.strictEqual(waiting, 0)
      }),
    { arbitrary: { runs: 150, size: 40 } },
  )

  it.effect.prop(
    "starts no call while it is throttled, keeps the limits, and serves all calls, whatever other callers do",
    [someWindows, callers, Schema.Array(between(0, 10_000))],
    ([windows, calls, foreign]) =>
      Effect.gen(function* () {
        const { blocks, seen, served, starts } = yield* runBatch(windows, calls, foreign)
        const own = seen.filter(({ own }) => own)
        const accepted = seen.filter(({ wait }) => wait === 0)
        for (const { limit, millis } of windows) {
          assert.isAtMost(
            most(
              own.map(({ at }) => at),
              millis,
            ),
            limit,
          )
          assert.isAtMost(
            most(
              accepted.map(({ at }) => at),
              millis,
            ),
            limit,
          )
        }
        for (const { from, until } of blocks) {
          assert.deepStrictEqual(
            starts.filter((at) => at > from && at < until),
            [],
          )
        }
        assert.isAtLeast(served, calls.filter(({ leaves }) => leaves === undefined).length)
      }),
    { arbitrary: { runs: 150, size: 40 } },
  )

  it.effect.prop(
    "forecasts when the last call starts",
    [
      Schema.NonEmptyArray(Schema.Struct({ limit: between(1, 6), millis: between(10, 400) })),
      Schema.Array(between(0, 100)),
      between(1, 40),
    ],
    ([windows, before, calls]) =>
      Effect.gen(function* () {
        const quota = yield* quotaOf(windows)
        const batch = Effect.gen(function* () {
          for (const pause of before) yield* Effect.andThen(Effect.sleep(pause), quota.withPermit(Effect.void))
          const startedAt = yield* Clock.currentTimeMillis
          const forecast = Duration.toMillis(yield* quota.forecast(calls))
          const starts = yield* Effect.all(
            Array.from({ length: calls }, () => quota.withPermit(Clock.currentTimeMillis)),
            { concurrency: "unbounded" },
          )
          return { forecast, took: Math.max(...starts) - startedAt }
        })
        const { forecast, took } = yield* inVirtualTime(batch, "1 hour")
        assert.strictEqual(took, forecast)
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 60 } },
  )

  it.effect("keeps the limits of both windows", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([
        { limit: 2, millis: 1000 },
        { limit: 5, millis: 10_000 },
      ])
      const { entries, note } = yield* makeJournal
      yield* inVirtualTime(
        Effect.all(
          Array.from({ length: 11 }, () => quota.withPermit(note("call"))),
          { concurrency: "unbounded" },
        ),
      )
      assert.deepStrictEqual(
        entries.map(([, at]) => at - 1),
        [0, 0, 1000, 1000, 2000, 10_000, 10_000, 11_000, 11_000, 12_000, 20_000],
      )
    }),
  )

  it.effect("serves calls in the order in which they came", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([{ limit: 3, millis: 1000 }])
      const { entries, note } = yield* makeJournal
      const names = Array.from({ length: 10 }, (_, i) => `caller ${i}`)
      yield* inVirtualTime(Effect.forEach(names, (name) => quota.withPermit(note(name)), { concurrency: "unbounded" }))
      assert.deepStrictEqual(
        entries.map(([who]) => who),
        names,
      )
    }),
  )

  it.effect("serves calls with priority first, in their own order", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      const call = (who: string, priority = false) => Effect.forkChild(quota.withPermit(note(who), { priority }))
      const batch = Effect.gen(function* () {
        const fibers = [
          yield* call("a"),
          yield* call("b"),
          yield* call("c"),
          yield* call("again 1", true),
          yield* call("again 2", true),
        ]
        yield* Effect.sleep(1500)
        fibers.push(yield* call("d"), yield* call("again 3", true))
        yield* Fiber.awaitAll(fibers)
      })
      yield* inVirtualTime(batch)
      assert.deepStrictEqual(
        entries.map(([who, at]) => [who, at - 1]),
        [
          ["again 1", 0],
          ["again 2", 1000],
          ["again 3", 2000],
          ["a", 3000],
          ["b", 4000],
          ["c", 5000],
          ["d", 6000],
        ],
      )
    }),
  )

  it.effect("serves the next call in place of an interrupted one", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      const call = (who: string) => Effect.forkChild(quota.withPermit(note(who)))
      const batch = Effect.gen(function* () {
        yield* quota.withPermit(note("a"))
        const b = yield* call("b")
        const c = yield* call("c")
        const d = yield* call("d")
        yield* Effect.sleep(500)
        assert.strictEqual((yield* quota.status).waiting, 3)
        yield* Fiber.interrupt(b)
        assert.strictEqual((yield* quota.status).waiting, 2)
        yield* Fiber.awaitAll([c, d])
      })
      yield* inVirtualTime(batch)
      assert.deepStrictEqual(
        entries.map(([who, at]) => [who, at - 1]),
        [
          ["a", 0],
          ["c", 1000],
          ["d", 2000],
        ],
      )
      assert.strictEqual((yield* quota.status).waiting, 0)
    }),
  )

  it.effect.prop(
    "loses no permit when waiting calls are interrupted, not even at the instant when they get it",
    [Schema.Array(Schema.UndefinedOr(between(0, 12))), between(5, 40)],
    // Fibers yield after few steps, so that interruptions come between any two of them.
    ([interrupts, steps]) =>
      Effect.gen(function* () {
        const quota = yield* quotaOf([{ limit: 1, millis: 4 }])
        const { entries, note } = yield* makeJournal
        const batch = Effect.gen(function* () {
          const fibers = yield* Effect.forEach(interrupts, (_, i) =>
            Effect.forkChild(quota.withPermit(note(String(i)))),
          )
          const killers = yield* Effect.forEach(fibers, (fiber, i) => {
            const after = interrupts[i]
            return Effect.forkChild(
              after === undefined ? Effect.void : Effect.andThen(Effect.sleep(after), Fiber.interrupt(fiber)),
            )
          })
          yield* Fiber.awaitAll([...fibers, ...killers])
        })
        yield* inVirtualTime(batch, "1 minute")
        // Every call that was not interrupted was served, and no permit was unused while a call waited.
        const served = entries.map(([who]) => Number(who))
        assert.deepStrictEqual(
          served,
          served.toSorted((a, b) => a - b),
        )
        for (const [i, after] of interrupts.entries()) if (after === undefined) assert.include(served, i)
        assert.deepStrictEqual(
          entries.map(([, at]) => at - 1),
          entries.map((_, i) => i * 4),
        )
        assert.strictEqual((yield* quota.status).waiting, 0)
        assert.strictEqual((yield* quota.status).windows[0]?.used, 0)
      }).pipe(Effect.scoped, Effect.provideService(Scheduler.MaxOpsBeforeYield, steps)),
    { arbitrary: { runs: 400 } },
  )

  it.effect("passes on the permit of a call that is interrupted in the instant before it starts", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      const clock = yield* Clock.Clock
      /** The second look at it measures how long the call waited for its permit. */
      const interruptedAtItsPermit = Effect.withFiber((fiber) => {
        let looks = 0
        const interrupting: Clock.Clock = {
          currentTimeMillis: clock.currentTimeMillis,
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
          currentTimeNanos: clock.currentTimeNanos,
          currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
          monotonicTimeNanos: clock.monotonicTimeNanos,
          monotonicTimeNanosUnsafe: () => {
            if (++looks === 2) fiber.interruptUnsafe()
            return clock.monotonicTimeNanosUnsafe()
          },
          sleep: (duration) => clock.sleep(duration),
        }
        return Effect.provideService(quota.withPermit(note("interrupted")), Clock.Clock, interrupting)
      })
      const batch = Effect.gen(function* () {
        yield* Fiber.awaitAll([
          yield* Effect.forkChild(interruptedAtItsPermit),
          yield* Effect.forkChild(quota.withPermit(note("next"))),
        ])
      })
      yield* inVirtualTime(batch)
      assert.deepStrictEqual(
        entries.map(([who, at]) => [who, at - 1]),
        [["next", 0]],
      )
    }),
  )

  it.effect("counts a call that was interrupted or that failed", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([{ limit: 2, millis: 1000 }])
      const batch = Effect.gen(function* () {
        const startedAt = yield* Clock.currentTimeMillis
        const hanging = yield* Effect.forkChild(quota.withPermit(Effect.never))
        yield* Effect.sleep(100)
        yield* Fiber.interrupt(hanging)
        yield* Effect.flip(quota.withPermit(Effect.fail("failed")))
        assert.strictEqual((yield* quota.status).windows[0]?.used, 2)
        yield* quota.withPermit(Effect.void)
        return (yield* Clock.currentTimeMillis) - startedAt
      })
      assert.strictEqual(yield* inVirtualTime(batch), 1100)
    }),
  )

  it.effect("counts a call in progress, however long it takes", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      yield* inVirtualTime(
        Effect.all([quota.withPermit(Effect.sleep(5000)), quota.withPermit(note("second"))], {
          concurrency: "unbounded",
        }),
      )
      assert.deepStrictEqual(entries, [["second", 6001]])
    }),
  )

  it.effect("holds back the waiting calls while it is throttled", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      const batch = Effect.gen(function* () {
        yield* quota.withPermit(note("a"))
        const waiting = yield* Effect.forEach(["b", "c"], (who) => Effect.forkChild(quota.withPermit(note(who))))
        yield* Effect.sleep(500)
        yield* quota.throttled(Duration.seconds(5))
        yield* Fiber.awaitAll(waiting)
      })
      yield* inVirtualTime(batch)
      assert.deepStrictEqual(
        entries.map(([who, at]) => [who, at - 1]),
        [
          ["a", 0],
          ["b", 5500],
          ["c", 6500],
        ],
      )
    }),
  )

  it.effect("publishes each pause with its length", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([{ limit: 2, millis: 1000 }])
      const pauses: Array<number> = []
      yield* quota.pauses.pipe(
        Stream.runForEach((pause) => Effect.sync(() => pauses.push(Duration.toMillis(pause.duration)))),
        Effect.forkScoped,
      )
      const batch = Effect.gen(function* () {
        yield* Effect.all([quota.withPermit(Effect.void), quota.withPermit(Effect.void)])
        yield* Effect.sleep(400)
        yield* quota.withPermit(Effect.void)
      })
      yield* inVirtualTime(batch)
      assert.deepStrictEqual(pauses, [600])
    }),
  )

  it.effect("waits by its schedule, and continues when the schedule has finished", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      yield* inVirtualTime(
        Effect.forEach(["a", "b", "c"], (who) => quota.withPermit(note(who)), { concurrency: "unbounded" }),
      )
      assert.deepStrictEqual(
        entries.map(([who, at]) => [who, at - 1]),
        [
          ["a", 0],
          ["b", 1000],
          ["c", 2000],
        ],
      )
    }).pipe(Effect.provide(Timing.layer({ quota: Schedule.recurs(0) }))),
  )

  it.effect("serves thousands of waiting calls in two windows", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([{ limit: 1000, millis: 1000 }])
      const { entries, note } = yield* makeJournal
      const batch = Effect.gen(function* () {
        const fibers = yield* Effect.forEach(Array.from({ length: 2000 }), () =>
          Effect.forkChild(quota.withPermit(note("call"))),
        )
        yield* Effect.sleep(500)
        assert.strictEqual(entries.length, 1000)
        assert.strictEqual((yield* quota.status).waiting, 1000)
        yield* Fiber.awaitAll(fibers)
      })
      yield* inVirtualTime(batch)
      assert.deepStrictEqual(new Set(entries.map(([, at]) => at - 1)), new Set([0, 1000]))
      assert.strictEqual(entries.length, 2000)
    }),
  )

  it.effect("spaces calls evenly: one in each average interval", () =>
    Effect.gen(function* () {
      const windows = Quota.evenly(
        toWindows([
          { limit: 4, millis: 2000 },
          { limit: 10, millis: 10_000 },
        ]),
      )
      const quota = yield* Quota.make({ name: "test", windows }).pipe(Effect.provide(QuotaStore.layerMemory))
      const { entries, note } = yield* makeJournal
      yield* inVirtualTime(
        Effect.forEach(["a", "b", "c", "d"], (who) => quota.withPermit(note(who)), { concurrency: "unbounded" }),
      )
      assert.deepStrictEqual(
        entries.map(([, at]) => at - 1),
        [0, 1000, 2000, 3000],
      )
    }),
  )

  it.effect("has a status, and metrics", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([
        { limit: 2, millis: 1000 },
        { limit: 5, millis: 60_000 },
      ])
      const batch = Effect.gen(function* () {
        const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(quota.withPermit(Effect.void)))
        yield* Effect.sleep(400)
        const { nextSlot, waiting, windows } = yield* quota.status
        assert.deepStrictEqual(
          windows.map(({ free, used }) => [used, free]),
          [
            [2, 0],
            [2, 3],
          ],
        )
        assert.deepStrictEqual([Duration.toMillis(nextSlot), waiting], [600, 1])
        yield* Fiber.awaitAll(fibers)
        yield* quota.throttled(Duration.millis(1))
      })
      yield* inVirtualTime(batch)
      const { metrics } = Quota
      const of = { quota: "test" }
      assert.deepInclude(yield* Metric.value(Metric.withAttributes(metrics.permits, of)), { count: 3 })
      assert.deepInclude(yield* Metric.value(Metric.withAttributes(metrics.throttled, of)), { count: 1 })
      assert.deepInclude(yield* Metric.value(Metric.withAttributes(metrics.waiting, of)), { value: 0 })
      const api = { api: "test" }
      assert.deepInclude(yield* Metric.value(Metric.withAttributes(metrics.waitDuration, api)), { count: 3, max: 1 })
      const used = (window: string) => Metric.value(Metric.withAttributes(metrics.used, { ...of, window }))
      assert.deepStrictEqual([yield* used("1s"), yield* used("1m")], [{ value: 1 }, { value: 3 }])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())),
  )

  it.effect(
    "counts zero throttled calls before the first: Prometheus sees no increase in a series that starts with one",
    () =>
      Effect.gen(function* () {
        yield* Quota.make({ name: "test", windows: toWindows([{ limit: 2, millis: 1000 }]) })
        const throttled = (yield* Metric.snapshot).filter(({ id }) => id === "live_response.quota.throttled")
        assert.deepStrictEqual(
          throttled.map(({ attributes, state }) => [attributes, state]),
          [[{ quota: "test" }, { count: 0, incremental: true }]],
        )
      }).pipe(
        Effect.scoped,
        Effect.provide(QuotaStore.layerMemory),
        Effect.provideService(Metric.MetricRegistry, new Map()),
      ),
  )

  it.effect.each([
    { endsSeries: false, left: ["one other", "one test", "two other", "two test"] },
    { endsSeries: true, left: ["two other", "two test"] },
  ])("has series of each owner, and one histogram of all: $left are left when one ends", ({ endsSeries, left }) =>
    Effect.gen(function* () {
      const windows = toWindows([{ limit: 2, millis: 1000 }])
      const use = Effect.fnUntraced(function* (owner: string, endsSeries: boolean) {
        const made = Quota.make({ name: "test", owner, windows })
        const quota = yield* Effect.provideService(made, Quota.EndsSeries, endsSeries)
        for (const each of [quota, yield* quota.ofApi({ name: "other", windows })]) {
          yield* each.withPermit(Effect.void)
          yield* each.throttled(Duration.zero)
          yield* each.status
        }
      })
      yield* use("two", false)
      yield* Effect.scoped(use("one", endsSeries))
      const series = (yield* Metric.snapshot).filter(({ id }) => id.startsWith("live_response.quota."))
      const ofOwners = series.filter(({ type }) => type !== "Histogram")
      for (const owner of left) {
        const ids = ofOwners.filter(({ attributes }) => attributes?.["quota"] === owner).map(({ id }) => id)
        assert.deepStrictEqual(ids.toSorted(), [
          "live_response.quota.permits",
          "live_response.quota.throttled",
          "live_response.quota.used",
          "live_response.quota.waiting",
        ])
      }
      assert.lengthOf(ofOwners, 4 * left.length)
      const histograms = series.filter(({ type }) => type === "Histogram")
      assert.deepStrictEqual(
        histograms.map(({ attributes }) => attributes?.["api"]),
        ["test", "other"],
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(QuotaStore.layerMemory),
      Effect.provideService(Metric.MetricRegistry, new Map()),
    ),
  )

  it.effect("reads its limits from the environment", () =>
    Effect.gen(function* () {
      const read = (env: Record<string, string>) =>
        Effect.flatMap(Quota.Quota, (quota) => quota.status).pipe(
          Effect.map(({ windows }) => windows.map(({ duration, limit }) => [limit, Duration.toSeconds(duration)])),
          Effect.provide(
            Quota.layerConfig.pipe(
              Layer.provide([QuotaStore.layerMemory, ConfigProvider.layer(ConfigProvider.fromUnknown(env))]),
            ),
          ),
        )
      assert.deepStrictEqual(yield* read({}), [
        [100, 60],
        [1500, 3600],
      ])
      assert.deepStrictEqual(yield* read({ LIVE_RESPONSE_PER_MINUTE: "10", LIVE_RESPONSE_PER_HOUR: "50" }), [
        [10, 60],
        [50, 3600],
      ])
      assert.deepStrictEqual(
        yield* read({ LIVE_RESPONSE_WINDOWS: "20/10 seconds, 90/1 hour", LIVE_RESPONSE_PER_HOUR: "7" }),
        [
          [20, 10],
          [90, 3600],
        ],
      )
      assert.deepStrictEqual(yield* read({ LIVE_RESPONSE_PER_HOUR: "360", LIVE_RESPONSE_POLITE: "true" }), [
        [100, 60],
        [360, 3600],
        [1, 10],
      ])
      for (const nonsense of ["10", ",", "10/1 fortnight", "0/1 hour", "20/10 seconds;90/1 hour"]) {
        assert.strictEqual((yield* Effect.flip(read({ LIVE_RESPONSE_WINDOWS: nonsense })))._tag, "ConfigError")
      }
      for (const nonsense of ["0", "-1", "1.5", "many"]) {
        const error = yield* Effect.flip(read({ LIVE_RESPONSE_PER_MINUTE: nonsense }))
        assert.strictEqual(error._tag, "ConfigError")
      }
    }),
  )

  describe("over a log that has forgotten its calls, because its clock was set forward", () => {
    const permit = { answered: Effect.void, release: Effect.void }
    const forgetful = Layer.effect(
      QuotaStore.QuotaStore,
      Effect.map(QuotaStore.QuotaStore, ({ open }) => ({
        open: (options) =>
          Effect.map(open(options), (log) => ({
            ...log,
            acquire: Effect.succeed(permit),
            throttled: () => Effect.void,
          })),
      })),
    ).pipe(Layer.provide(QuotaStore.layerMemory))

    const windows = toWindows([
      { limit: 3, millis: 1000 },
      { limit: 5, millis: 10_000 },
    ])

    it.effect("lets no more calls of this program start than the limits allow", () =>
      Effect.gen(function* () {
        const { entries, note } = yield* makeJournal
        const { withPermit } = yield* Quota.make({ name: "test", windows })
        const calls = Effect.forEach(Array.from({ length: 11 }), () => withPermit(note("a")), {
          concurrency: "unbounded",
        })
        yield* inVirtualTime(calls)
        const first = entries[0]?.[1] ?? Number.NaN
        assert.deepStrictEqual(
          entries.map(([, at]) => at - first),
          [0, 0, 0, 1000, 1000, 10_000, 10_000, 10_000, 11_000, 11_000, 20_000],
        )
      }).pipe(Effect.scoped, Effect.provide(forgetful)),
    )

    it.effect("lets no call start before the end of the wait that the server asked for", () =>
      Effect.gen(function* () {
        const { entries, note } = yield* makeJournal
        const { throttled, withPermit } = yield* Quota.make({ name: "test", windows })
        yield* throttled(Duration.seconds(30))
        yield* inVirtualTime(withPermit(note("a")))
        assert.deepStrictEqual(entries, [["a", 30_000]])
      }).pipe(Effect.scoped, Effect.provide(forgetful)),
    )
  })

  it.effect("counts a call once whose end the log records at the third attempt, and says nothing of the others", () => {
    const lines: Array<unknown> = []
    const logger = Logger.make(({ message }) => void lines.push(message))
    /** Only the program's own count keeps the limit. */
    const failing = Layer.effect(
      QuotaStore.QuotaStore,
      Effect.map(QuotaStore.QuotaStore, ({ open }) => ({
        open: (options) =>
          Effect.map(open(options), (log) => ({
            ...log,
            acquire: Effect.sync(() => {
              let attempts = 0
              const answered = Effect.suspend(() => (attempts++ < 2 ? Effect.fail(away) : Effect.void))
              return { answered, release: Effect.void }
            }),
          })),
      })),
    ).pipe(Layer.provide(QuotaStore.layerMemory))
    return Effect.gen(function* () {
      const { entries, note } = yield* makeJournal
      const { withPermit } = yield* Quota.make({ name: "test", windows: toWindows([{ limit: 2, millis: 60_000 }]) })
      yield* inVirtualTime(
        Effect.forEach(Array.from({ length: 6 }), () => withPermit(note("a")), { concurrency: "unbounded" }),
      )
      for (const [, at] of entries)
        assert.isAtMost(
          most(
            entries.map(([, at]) => at),
            60_000,
          ),
          2,
          `at ${at}`,
        )
      assert.strictEqual(entries.length, 6)
      assert.deepStrictEqual(lines, [])
    }).pipe(Effect.scoped, Effect.provide([failing, Logger.layer([logger])]))
  })

  it.effect("makes the quota of another API once for each name and windows, however often it is asked for", () => {
    const opened: Array<string> = []
    const store = Layer.effect(
      QuotaStore.QuotaStore,
      Effect.map(QuotaStore.QuotaStore, ({ open }) => ({
        open: (options) =>
          Effect.suspend(() => {
            opened.push(options.name)
            return open(options)
          }),
      })),
    ).pipe(Layer.provide(QuotaStore.layerMemory))
    return Effect.gen(function* () {
      const { ofApi } = yield* Quota.make({ name: "links", windows: toWindows([{ limit: 1, millis: 1000 }]) })
      const scan = { name: "RunAntiVirusScan", windows: QuotaRule.usualWindows }
      const scans = yield* Effect.all(
        Array.from({ length: 5 }, () => Effect.suspend(() => ofApi({ ...scan }))),
        { concurrency: "unbounded" },
      )
      assert.strictEqual(new Set(scans).size, 1)
      assert.notInclude(scans, yield* ofApi({ ...scan, windows: QuotaRule.packageWindows }))
      assert.notInclude(scans, yield* ofApi({ ...scan, name: "Isolate" }))
      assert.deepStrictEqual(opened, ["links", "RunAntiVirusScan", "RunAntiVirusScan", "Isolate"])
    }).pipe(Effect.scoped, Effect.provide(store))
  })

  it.effect.each([
    { calls: 1500, seconds: 840 },
    { calls: 3000, seconds: 3600 + 840 },
  ])("gets $calls links in $seconds s, and none is throttled", ({ calls, seconds }) =>
    Effect.gen(function* () {
      const simulator = yield* Simulator
      const api = yield* DefenderApi
      const refs = refsUpTo(calls)
      yield* Effect.forEach(refs, (ref) => simulator.add(ref, { content: new Uint8Array() }), { discard: true })
      yield* inVirtualTime(Effect.forEach(refs, (ref) => api.downloadLink(ref), { concurrency: "unbounded" }))
      const seen = yield* simulator.calls
      assert.strictEqual(seen.length, calls)
      assert.deepStrictEqual(new Set(seen.map(({ status }) => status)), new Set([200]))
      assert.strictEqual((seen.at(-1)?.at ?? 0) - (seen[0]?.at ?? 0), seconds * 1000)
    }).pipe(Effect.provide(LiveResponseTest.layer().pipe(Layer.provideMerge(LiveResponseTest.layerTestClock)))),
  )

  it.effect("is not throttled at varying latencies either", () => {
    let calls = 0
    const latency = Effect.suspend(() => Effect.sleep(50 + ((calls++ * 7919) % 350)))
    return Effect.gen(function* () {
      const simulator = yield* Simulator
      const api = yield* DefenderApi
      const refs = refsUpTo(1600)
      yield* Effect.forEach(refs, (ref) => simulator.add(ref, { content: new Uint8Array() }), { discard: true })
      yield* inVirtualTime(Effect.forEach(refs, (ref) => api.downloadLink(ref), { concurrency: "unbounded" }))
      const seen = yield* simulator.calls
      assert.strictEqual(seen.length, refs.length)
      assert.deepStrictEqual(new Set(seen.map(({ status }) => status)), new Set([200]))
      const took = (seen.at(-1)?.at ?? 0) - (seen[0]?.at ?? 0)
      assert.isAtLeast(took, 3_600_000)
      // A call counts from its answer on, which costs the latency once in each window.
      assert.isAtMost(took, 3_600_000 + 20 * 400)
    }).pipe(
      Effect.provide(LiveResponseTest.layer({ latency }).pipe(Layer.provideMerge(LiveResponseTest.layerTestClock))),
    )
  })
})
