import { assert, describe, it } from "@effect/vitest"
import { DefenderApi } from "@live-response/core/DefenderApi"
import * as Quota from "@live-response/core/Quota"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import type { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import * as RetryPolicy from "@live-response/core/RetryPolicy"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { refsUpTo } from "./support/refs.ts"

const { inVirtualTime } = LiveResponseTest

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const toWindows = (windows: ReadonlyArray<{ readonly limit: number; readonly millis: number }>) =>
  windows.map(({ limit, millis }) => QuotaRule.Window.make({ limit, duration: Duration.millis(millis) }))

const quotaOf = (windows: ReadonlyArray<{ readonly limit: number; readonly millis: number }>) =>
  Quota.make({ name: "test", windows: toWindows(windows) }).pipe(Effect.provide(QuotaStore.layerMemory))

const onePerSecond = quotaOf([{ limit: 1, millis: 1000 }])

/** The most calls that any rolling window of this length has seen. */
const most = (instants: ReadonlyArray<number>, millis: number): number =>
  Math.max(0, ...instants.map((end) => instants.filter((at) => at > end - millis && at <= end).length))

/** Notes who calls and when. */
const makeJournal = Effect.gen(function* () {
  const began = yield* Clock.currentTimeMillis
  const entries: Array<readonly [who: string, at: number]> = []
  const note = (who: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      entries.push([who, now - began])
    })
  return { entries, note }
})

describe("Quota", () => {
  it.effect.prop(
    "never lets the server see more than the limit in any rolling window, whatever the latency",
    [
      Schema.NonEmptyArray(Schema.Struct({ limit: between(1, 5), millis: between(50, 400) })),
      Schema.Array(Schema.Struct({ pause: between(0, 60), there: between(0, 150), back: between(0, 150) })),
    ],
    ([windows, calls]) =>
      Effect.gen(function* () {
        const quota = yield* quotaOf(windows)
        const seen: Array<number> = []
        const one = Effect.fnUntraced(function* (there: number, back: number) {
          yield* Effect.sleep(there)
          seen.push(yield* Clock.currentTimeMillis)
          yield* Effect.sleep(back)
        })
        const batch = Effect.gen(function* () {
          const fibers: Array<Fiber.Fiber<void, QuotaStoreError>> = []
          for (const { back, pause, there } of calls) {
            yield* Effect.sleep(pause)
            fibers.push(yield* Effect.forkChild(quota.withPlace(one(there, back))))
          }
          yield* Fiber.awaitAll(fibers)
        })
        yield* inVirtualTime(batch, "1 hour")
        assert.strictEqual(seen.length, calls.length)
        for (const { limit, millis } of windows) assert.isAtMost(most(seen, millis), limit)
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 60, size: 40 } },
  )

  it.effect.prop(
    "forecasts what really happens",
    [
      Schema.NonEmptyArray(Schema.Struct({ limit: between(1, 6), millis: between(10, 400) })),
      Schema.Array(between(0, 100)),
      between(1, 40),
    ],
    ([windows, before, calls]) =>
      Effect.gen(function* () {
        const quota = yield* quotaOf(windows)
        const batch = Effect.gen(function* () {
          for (const pause of before) yield* Effect.andThen(Effect.sleep(pause), quota.withPlace(Effect.void))
          const began = yield* Clock.currentTimeMillis
          const forecast = Duration.toMillis(yield* quota.forecast(calls))
          const starts = yield* Effect.all(
            Array.from({ length: calls }, () => quota.withPlace(Clock.currentTimeMillis)),
            { concurrency: "unbounded" },
          )
          return { forecast, took: Math.max(...starts) - began }
        })
        const { forecast, took } = yield* inVirtualTime(batch, "1 hour")
        assert.strictEqual(took, forecast)
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 60 } },
  )

  it.effect("keeps both windows", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([
        { limit: 2, millis: 1000 },
        { limit: 5, millis: 10_000 },
      ])
      const { entries, note } = yield* makeJournal
      yield* inVirtualTime(
        Effect.all(
          Array.from({ length: 11 }, () => quota.withPlace(note("call"))),
          { concurrency: "unbounded" },
        ),
      )
      assert.deepStrictEqual(
        entries.map(([, at]) => at - 1),
        [0, 0, 1000, 1000, 2000, 10_000, 10_000, 11_000, 11_000, 12_000, 20_000],
      )
    }),
  )

  it.effect("serves callers in the order in which they came", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([{ limit: 3, millis: 1000 }])
      const { entries, note } = yield* makeJournal
      const names = Array.from({ length: 10 }, (_, i) => `caller ${i}`)
      yield* inVirtualTime(Effect.forEach(names, (name) => quota.withPlace(note(name)), { concurrency: "unbounded" }))
      assert.deepStrictEqual(
        entries.map(([who]) => who),
        names,
      )
    }),
  )

  it.effect("lets a link that is made anew go before new ones, in their own order", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      const call = (who: string, first = false) => Effect.forkChild(quota.withPlace(note(who), { first }))
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

  it.effect("gives the place of an interrupted waiter to the next one", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      const call = (who: string) => Effect.forkChild(quota.withPlace(note(who)))
      const batch = Effect.gen(function* () {
        yield* quota.withPlace(note("a"))
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
    "loses no turn when waiters are interrupted, not even at the instant of their turn",
    [Schema.Array(Schema.UndefinedOr(between(0, 12)))],
    ([interrupts]) =>
      Effect.gen(function* () {
        const quota = yield* quotaOf([{ limit: 1, millis: 4 }])
        const { entries, note } = yield* makeJournal
        const batch = Effect.gen(function* () {
          const fibers = yield* Effect.forEach(interrupts, (_, i) => Effect.forkChild(quota.withPlace(note(String(i)))))
          const killers = yield* Effect.forEach(fibers, (fiber, i) => {
            const after = interrupts[i]
            return Effect.forkChild(
              after === undefined ? Effect.void : Effect.andThen(Effect.sleep(after), Fiber.interrupt(fiber)),
            )
          })
          yield* Fiber.awaitAll([...fibers, ...killers])
        })
        yield* inVirtualTime(batch, "1 minute")
        // Whoever was not interrupted had its turn, and as long as somebody waited no turn was left out.
        const served = entries.map(([who]) => Number(who))
        assert.deepStrictEqual(
          served,
          served.toSorted((a, b) => a - b),
        )
        for (const [i, after] of interrupts.entries()) if (after === undefined) assert.include(served, i)
        assert.deepStrictEqual(
          entries.map(([, at]) => at - 1),
          entries.map((_, turn) => turn * 4),
        )
        assert.strictEqual((yield* quota.status).waiting, 0)
        assert.strictEqual((yield* quota.status).windows[0]?.used, 0)
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 200 } },
  )

  it.effect("keeps the place of a call that was begun, interrupted or failed", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([{ limit: 2, millis: 1000 }])
      const batch = Effect.gen(function* () {
        const began = yield* Clock.currentTimeMillis
        const hanging = yield* Effect.forkChild(quota.withPlace(Effect.never))
        yield* Effect.sleep(100)
        yield* Fiber.interrupt(hanging)
        yield* Effect.flip(quota.withPlace(Effect.fail("refused")))
        assert.strictEqual((yield* quota.status).windows[0]?.used, 2)
        yield* quota.withPlace(Effect.void)
        return (yield* Clock.currentTimeMillis) - began
      })
      assert.strictEqual(yield* inVirtualTime(batch), 1100)
    }),
  )

  it.effect("counts a call that is under way, however long it takes", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      yield* inVirtualTime(
        Effect.all([quota.withPlace(Effect.sleep(5000)), quota.withPlace(note("second"))], {
          concurrency: "unbounded",
        }),
      )
      assert.deepStrictEqual(entries, [["second", 6001]])
    }),
  )

  it.effect("holds back those who wait already when it is blocked", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      const batch = Effect.gen(function* () {
        yield* quota.withPlace(note("a"))
        const waiting = yield* Effect.forEach(["b", "c"], (who) => Effect.forkChild(quota.withPlace(note(who))))
        yield* Effect.sleep(500)
        yield* quota.refused(Duration.seconds(5))
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

  it.effect("tells of each pause, and how long it is", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([{ limit: 2, millis: 1000 }])
      const pauses: Array<number> = []
      yield* quota.pauses.pipe(
        Stream.runForEach((pause) => Effect.sync(() => pauses.push(Duration.toMillis(pause)))),
        Effect.forkScoped,
      )
      const batch = Effect.gen(function* () {
        yield* Effect.all([quota.withPlace(Effect.void), quota.withPlace(Effect.void)])
        yield* Effect.sleep(400)
        yield* quota.withPlace(Effect.void)
      })
      yield* inVirtualTime(batch)
      assert.deepStrictEqual(pauses, [600])
    }),
  )

  it.effect("waits by its policy, and also on where that ends", () =>
    Effect.gen(function* () {
      const quota = yield* onePerSecond
      const { entries, note } = yield* makeJournal
      yield* inVirtualTime(
        Effect.forEach(["a", "b", "c"], (who) => quota.withPlace(note(who)), { concurrency: "unbounded" }),
      )
      assert.deepStrictEqual(
        entries.map(([who, at]) => [who, at - 1]),
        [
          ["a", 0],
          ["b", 1000],
          ["c", 2000],
        ],
      )
    }).pipe(Effect.provide(RetryPolicy.layer({ quota: Schedule.recurs(0) }))),
  )

  it.effect("has thousands of callers wait, and serves them in two turns", () =>
    Effect.gen(function* () {
      const quota = yield* quotaOf([{ limit: 1000, millis: 1000 }])
      const { entries, note } = yield* makeJournal
      const batch = Effect.gen(function* () {
        const fibers = yield* Effect.forEach(Array.from({ length: 2000 }), () =>
          Effect.forkChild(quota.withPlace(note("call"))),
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

  it.effect("takes its limits from the environment", () =>
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
      for (const nonsense of ["0", "-1", "1.5", "many"]) {
        const error = yield* Effect.flip(read({ LIVE_RESPONSE_PER_MINUTE: nonsense }))
        assert.strictEqual(error._tag, "ConfigError")
      }
    }),
  )

  it.effect.each([
    { calls: 1500, seconds: 840 },
    { calls: 3000, seconds: 3600 + 840 },
  ])("makes $calls links in $seconds s, and none is refused", ({ calls, seconds }) =>
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
    }).pipe(Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("is not refused either when answers take their time, each another one", () => {
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
      // A call counts from its answer on: that costs the latency once a window.
      assert.isAtMost(took, 3_600_000 + 20 * 400)
    }).pipe(Effect.provide(LiveResponseTest.layer({ latency })))
  })
})
