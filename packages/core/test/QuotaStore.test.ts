import { assert, describe, it } from "@effect/vitest"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const anyWindows = Schema.NonEmptyArray(Schema.Struct({ limit: between(1, 6), millis: between(1, 300) }))
const gaps = Schema.Array(between(0, 80))

const toWindows = (windows: ReadonlyArray<{ readonly limit: number; readonly millis: number }>) =>
  windows.map(({ limit, millis }) => QuotaStore.Window.make({ limit, duration: Duration.millis(millis) }))

/** Ascending instants. */
const toStamps = (gaps: ReadonlyArray<number>) => {
  let at = 0
  return gaps.map((gap) => (at += gap))
}

const openLog = (windows: ReadonlyArray<QuotaStore.Window>) =>
  Effect.flatMap(QuotaStore.QuotaStore, (store) => store.open("test", windows)).pipe(
    Effect.provide(QuotaStore.layerMemory),
  )

const used = (log: QuotaStore.CallLog) => Effect.map(log.status, ({ windows }) => windows.map(({ used }) => used))

describe("QuotaStore.delay", () => {
  it.effect.prop(
    "is the shortest wait after which every window has a place",
    [anyWindows, gaps, between(0, 8), between(0, 200)],
    ([anyWindows, gaps, inFlight, since]) =>
      Effect.sync(() => {
        const windows = toWindows(anyWindows)
        const stamps = toStamps(gaps)
        const now = (stamps.at(-1) ?? 0) + since
        // The rule as it is written, tried for each millisecond. Calls in flight are answered now at best.
        const answered = [...stamps, ...Array.from({ length: inFlight }, () => now)]
        const free = (at: number) =>
          anyWindows.every(({ limit, millis }) => answered.filter((stamp) => stamp > at - millis).length < limit)
        let wait = 0
        while (!free(now + wait)) wait++
        assert.strictEqual(QuotaStore.delay(now, windows, inFlight, stamps), wait)
      }),
    { arbitrary: { runs: 500 } },
  )
})

describe("QuotaStore.forecast", () => {
  it.effect.prop(
    "is when the last of the calls starts, if each starts as early as it may and is answered at once",
    [anyWindows, gaps, between(0, 4), between(0, 200), between(1, 40)],
    ([anyWindows, gaps, inFlight, since, calls]) =>
      Effect.sync(() => {
        const windows = toWindows(anyWindows)
        const stamps = toStamps(gaps)
        const now = (stamps.at(-1) ?? 0) + since
        const log = [...stamps, ...Array.from({ length: inFlight }, () => now)]
        let at = now
        for (let call = 0; call < calls; call++) {
          at += QuotaStore.delay(at, windows, 0, log)
          log.push(at)
        }
        assert.strictEqual(QuotaStore.forecast(now, windows, inFlight, stamps, calls), at - now)
      }),
    { arbitrary: { runs: 300 } },
  )

  it.effect("is the law of both windows for the vendor's limits", () =>
    Effect.sync(() => {
      const windows = [
        QuotaStore.Window.make({ limit: 100, duration: Duration.minutes(1) }),
        QuotaStore.Window.make({ limit: 1500, duration: Duration.hours(1) }),
      ]
      for (const calls of [1, 100, 101, 200, 1500, 1501, 3000, 10_000, 10_001]) {
        const seconds = 3600 * Math.floor((calls - 1) / 1500) + 60 * Math.floor(((calls - 1) % 1500) / 100)
        assert.strictEqual(QuotaStore.forecast(0, windows, 0, [], calls), seconds * 1000, `${calls} calls`)
      }
      assert.strictEqual(QuotaStore.forecast(0, windows, 0, [], 0), 0)
    }),
  )
})

describe("QuotaStore.layerMemory", () => {
  const three = toWindows([{ limit: 3, millis: 1000 }])

  it.effect("gives as many places as the window has, and then says how long to wait", () =>
    Effect.gen(function* () {
      const log = yield* openLog(three)
      for (let call = 0; call < 3; call++) {
        yield* log.take
        yield* log.answered
        yield* TestClock.adjust(100)
      }
      const full = yield* Effect.flip(log.take)
      assert.strictEqual(Duration.toMillis(full.retryAfter), 700)
      yield* TestClock.adjust(699)
      assert.strictEqual(Duration.toMillis((yield* Effect.flip(log.take)).retryAfter), 1)
      yield* TestClock.adjust(1)
      yield* log.take
    }),
  )

  it.effect("counts a call from its answer on, however long it was under way", () =>
    Effect.gen(function* () {
      const log = yield* openLog(toWindows([{ limit: 1, millis: 1000 }]))
      yield* log.take
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(yield* used(log), [1])
      assert.strictEqual(Duration.toMillis((yield* Effect.flip(log.take)).retryAfter), 1000)
      yield* log.answered
      yield* TestClock.adjust(999)
      yield* Effect.flip(log.take)
      yield* TestClock.adjust(1)
      yield* log.take
    }),
  )

  it.effect("never lets more than the limit into a window, not even by a fraction of a millisecond", () =>
    Effect.gen(function* () {
      const log = yield* openLog(toWindows([{ limit: 1, millis: 1000 }]))
      yield* TestClock.adjust(0.9)
      yield* log.take
      yield* log.answered
      // 999.1 milliseconds later.
      yield* TestClock.adjust(999.1)
      yield* Effect.flip(log.take)
    }),
  )

  it.effect("takes a place back that was not used", () =>
    Effect.gen(function* () {
      const log = yield* openLog(toWindows([{ limit: 1, millis: 1000 }]))
      yield* log.take
      yield* log.giveBack
      assert.deepStrictEqual(yield* used(log), [0])
      yield* log.take
    }),
  )

  it.effect("tells how each window stands", () =>
    Effect.gen(function* () {
      const log = yield* openLog(
        toWindows([
          { limit: 2, millis: 1000 },
          { limit: 5, millis: 10_000 },
        ]),
      )
      for (let call = 0; call < 2; call++) yield* Effect.andThen(log.take, log.answered)
      yield* TestClock.adjust(2000)
      yield* log.take
      const status = yield* log.status
      assert.deepStrictEqual(
        status.windows.map(({ duration, limit, used }) => ({ limit, used, millis: Duration.toMillis(duration) })),
        [
          { limit: 2, used: 1, millis: 1000 },
          { limit: 5, used: 3, millis: 10_000 },
        ],
      )
      assert.strictEqual(Duration.toMillis(status.nextSlot), 0)
      yield* log.take
      assert.strictEqual(Duration.toMillis((yield* log.status).nextSlot), 1000)
    }),
  )

  it.effect("starts no call while it is blocked, and a shorter block does not end a longer one", () =>
    Effect.gen(function* () {
      const log = yield* openLog(three)
      yield* log.block(Duration.seconds(10))
      yield* log.block(Duration.seconds(2))
      assert.strictEqual(Duration.toMillis((yield* Effect.flip(log.take)).retryAfter), 10_000)
      assert.strictEqual(Duration.toMillis((yield* log.status).nextSlot), 10_000)
      assert.strictEqual(Duration.toMillis(yield* log.forecast(1)), 10_000)
      assert.strictEqual(Duration.toMillis(yield* log.forecast(4)), 11_000)
      yield* TestClock.adjust("9999 millis")
      yield* Effect.flip(log.take)
      yield* TestClock.adjust("1 millis")
      yield* log.take
    }),
  )

  it.effect("is not moved by a clock that is set", () =>
    Effect.gen(function* () {
      const log = yield* openLog(toWindows([{ limit: 1, millis: 1000 }]))
      yield* TestClock.setTime(1_000_000)
      yield* Effect.andThen(log.take, log.answered)
      yield* TestClock.setTime(0)
      assert.strictEqual(Duration.toMillis((yield* Effect.flip(log.take)).retryAfter), 1000)
    }),
  )

  it.effect("is the same log under the same name, and another under another", () =>
    Effect.gen(function* () {
      const store = yield* QuotaStore.QuotaStore
      const one = toWindows([{ limit: 1, millis: 1000 }])
      yield* (yield* store.open("a", one)).take
      yield* Effect.flip((yield* store.open("a", one)).take)
      yield* (yield* store.open("b", one)).take
    }).pipe(Effect.provide(QuotaStore.layerMemory)),
  )

  it.effect("keeps its count over far more calls than a window holds", () =>
    Effect.gen(function* () {
      const log = yield* openLog(
        toWindows([
          { limit: 3, millis: 10 },
          { limit: 20, millis: 1000 },
        ]),
      )
      let taken = 0
      for (let at = 0; at < 10_000; at += 5) {
        if (yield* Effect.isSuccess(log.take)) {
          taken++
          yield* log.answered
        }
        yield* TestClock.adjust(5)
      }
      assert.strictEqual(taken, 200)
    }),
  )
})
