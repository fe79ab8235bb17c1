/** The tests of every quota store. */
import { assert, describe, it } from "@effect/vitest"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import type { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import * as Arbitrary from "effect/Arbitrary"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"

export const toWindows = (
  ...windows: ReadonlyArray<readonly [limit: number, millis: number]>
): ReadonlyArray<QuotaRule.Window> =>
  windows.map(([limit, millis]) => QuotaRule.Window.make({ limit, duration: Duration.millis(millis) }))

let names = 0

/** Opens a log of its own, with a lease that is longer than any test. */
export const openLog = (
  windows: ReadonlyArray<QuotaRule.Window>,
  options?: Partial<QuotaStore.LogOptions>,
): Effect.Effect<QuotaStore.CallLog, QuotaStoreError, QuotaStore.QuotaStore> =>
  Effect.flatMap(QuotaStore.QuotaStore, (store) =>
    store.open({ name: `a log of tests ${names++}`, windows, lease: Duration.minutes(2), ...options }),
  )

/** Acquires a permit and answers it at once. */
export const call = (log: QuotaStore.CallLog) => Effect.flatMap(log.acquire, (permit) => permit.answered)

/** How long a full log asks to wait. */
export const waitOf = (log: QuotaStore.CallLog) =>
  Effect.flip(log.acquire).pipe(
    Effect.map((error) => (error._tag === "QuotaFull" ? Duration.toMillis(error.retryAfter) : Number.NaN)),
  )

export const usedIn = (log: QuotaStore.CallLog, windows: ReadonlyArray<QuotaRule.Window>) =>
  Effect.map(log.calls, (calls) => QuotaRule.status(windows, calls).windows.map(({ used }) => used))

const minute = 60_000
const hour = 3_600_000

/**
 * `clock` is the clock of a store: `virtual` for the test's, `real` for that of a server. With a real clock no test expects
 * more of a time than a slow machine can keep.
 */
export const suite = (
  name: string,
  layer: Layer.Layer<QuotaStore.QuotaStore, QuotaStoreError>,
  clock: "virtual" | "real",
) => {
  const test = clock === "virtual" ? it.effect : it.live
  const pass = (millis: number) => (clock === "virtual" ? TestClock.adjust(millis) : Effect.sleep(millis))
  const slack = clock === "virtual" ? 0 : 30_000
  /** A store may write an answer after the call has returned, with a time that is late by its way to the server. */
  const mostLate = clock === "virtual" ? 0 : 500
  /** Windows of some seconds: the real time between two calls does not matter then. */
  const unit = clock === "virtual" ? 1 : 10

  describe(name, { concurrent: clock === "real" }, () => {
    test("grants as many permits as the window has, then says how long to wait", () =>
      Effect.gen(function* () {
        const log = yield* openLog(toWindows([3, minute]))
        for (let i = 0; i < 3; i++) yield* call(log)
        const wait = yield* waitOf(log)
        assert.isAtMost(wait, minute)
        assert.isAtLeast(wait, minute - slack)
      }).pipe(Effect.provide(layer)))

    test("keeps the limits of all windows", () =>
      Effect.gen(function* () {
        const windows = toWindows([2, 300 * unit], [3, hour])
        const log = yield* openLog(windows)
        for (let i = 0; i < 2; i++) yield* call(log)
        assert.isAtMost(yield* waitOf(log), 300 * unit)
        yield* pass(300 * unit)
        yield* call(log)
        const wait = yield* waitOf(log)
        assert.isAtMost(wait, hour - 300 * unit)
        assert.isAtLeast(wait, hour - 300 * unit - slack)
        yield* pass(300 * unit)
        assert.deepStrictEqual(yield* usedIn(log, windows), [0, 3])
      }).pipe(Effect.provide(layer)))

    test("grants a permit after the time that it asked to wait", () =>
      Effect.gen(function* () {
        const log = yield* openLog(toWindows([2, 400 * unit]))
        yield* call(log)
        yield* pass(100 * unit)
        yield* call(log)
        const wait = yield* waitOf(log)
        assert.isAtMost(wait, 300 * unit)
        yield* pass(wait)
        yield* call(log)
      }).pipe(Effect.provide(layer)))

    test("counts a call from its answer on, however long it took", () =>
      Effect.gen(function* () {
        const windows = toWindows([1, 200 * unit])
        const log = yield* openLog(windows)
        const permit = yield* log.acquire
        yield* pass(500 * unit)
        assert.deepStrictEqual(yield* usedIn(log, windows), [1])
        assert.strictEqual(yield* waitOf(log), 200 * unit)
        yield* permit.answered
        yield* pass(200 * unit + mostLate)
        yield* call(log)
      }).pipe(Effect.provide(layer)))

    test("does not count a released permit", () =>
      Effect.gen(function* () {
        const windows = toWindows([1, minute])
        const log = yield* openLog(windows)
        const permit = yield* log.acquire
        yield* permit.release
        assert.deepStrictEqual(yield* usedIn(log, windows), [0])
        yield* call(log)
        assert.deepStrictEqual(yield* usedIn(log, windows), [1])
      }).pipe(Effect.provide(layer)))

    test("shares the log of a name between different windows, and has another log for another name", () =>
      Effect.gen(function* () {
        const [small, large] = [toWindows([1, minute]), toWindows([3, hour])]
        const name = `shared ${names++}`
        yield* call(yield* openLog(small, { name }))
        yield* waitOf(yield* openLog(small, { name }))
        const log = yield* openLog(large, { name })
        yield* call(log)
        yield* log.acquire
        yield* waitOf(log)
        assert.deepStrictEqual(yield* usedIn(log, [...small, ...large]), [3, 3])
        assert.deepStrictEqual(yield* usedIn(yield* openLog(small), small), [0])
      }).pipe(Effect.provide(layer)))

    test("stores the calls of an hour while another program has a shorter window", () =>
      Effect.gen(function* () {
        const name = `shared ${names++}`
        const [seconds, hours] = [toWindows([1, 100 * unit]), toWindows([2, hour])]
        yield* call(yield* openLog(hours, { name }))
        yield* pass(150 * unit)
        yield* call(yield* openLog(seconds, { name }))
        assert.isAtLeast(yield* waitOf(yield* openLog(hours, { name })), hour - 150 * unit - slack)
      }).pipe(Effect.provide(layer)))

    test("grants no permit while it is throttled, and a shorter wait does not end a longer one", () =>
      Effect.gen(function* () {
        const log = yield* openLog(toWindows([3, 200 * unit]))
        yield* log.throttled(Duration.millis(800 * unit))
        yield* log.throttled(Duration.millis(100 * unit))
        const wait = yield* waitOf(log)
        assert.isAtMost(wait, 800 * unit)
        assert.isAbove(wait, clock === "virtual" ? 799 : 0)
        yield* pass(wait)
        yield* call(log)
      }).pipe(Effect.provide(layer)))

    test("adds the calls of others after a throttled call, if the window is not full", () =>
      Effect.gen(function* () {
        const windows = toWindows([10, minute], [50, hour])
        const log = yield* openLog(windows)
        for (let i = 0; i < 3; i++) yield* call(log)
        yield* log.throttled(Duration.seconds(20))
        assert.deepStrictEqual(yield* usedIn(log, windows), [10, 10])
        yield* log.throttled(Duration.seconds(10))
        assert.deepStrictEqual(yield* usedIn(log, windows), [10, 10])
        // The first of them leaves when the server said, the others one by one until the end of the minute.
        const { now, stamps } = yield* log.calls
        const leave = stamps.map((at) => at + minute - now)
        const spread = Array.from({ length: 7 }, (_, i) => 20_000 + (40_000 * i) / 7)
        for (const [i, expected] of spread.entries()) {
          assert.isAtMost(leave[i] ?? 0, expected + 1)
          assert.isAtLeast(leave[i] ?? 0, expected - slack - 1)
        }
        yield* log.throttled(Duration.minutes(5))
        assert.deepStrictEqual(yield* usedIn(log, windows), [10, 50])
      }).pipe(Effect.provide(layer)))

    test("adds a bounded number of calls, however large the limit is and however often it is throttled", () =>
      Effect.gen(function* () {
        const log = yield* openLog(toWindows([100_000, minute]))
        yield* log.throttled(Duration.seconds(20))
        yield* log.throttled(Duration.seconds(20))
        assert.lengthOf((yield* log.calls).stamps, 10_000)
      }).pipe(Effect.provide(layer)))

    for (const [what, wait] of [
      ["of zero", Duration.zero],
      ["that is negative", Duration.seconds(-5)],
    ] as const) {
      test(`adds the calls of others after a wait ${what}, and blocks no call`, () =>
        Effect.gen(function* () {
          const windows = toWindows([10, minute], [50, hour])
          const log = yield* openLog(windows)
          for (let i = 0; i < 3; i++) yield* call(log)
          yield* log.throttled(wait)
          const [used = 0] = yield* usedIn(log, windows)
          // The first of them leaves at once, and each of the other six a seventh of a minute later.
          assert.isAtMost(used, 9)
          assert.isAtLeast(used, clock === "virtual" ? 9 : 5)
          yield* call(log)
        }).pipe(Effect.provide(layer)))
    }

    test("has the status that its calls have", () =>
      Effect.gen(function* () {
        const windows = toWindows([3, minute], [50, hour])
        const log = yield* openLog(windows)
        yield* log.throttled(Duration.minutes(1))
        yield* log.throttled(Duration.minutes(30))
        const status = yield* log.status
        const expected = QuotaRule.status(windows, yield* log.calls)
        const without = ({ free, limit, used }: QuotaRule.WindowStatus) => ({ free, limit, used })
        assert.deepStrictEqual(status.windows.map(without), expected.windows.map(without))
        const waits = (of: QuotaRule.Status) => [of, ...of.windows].map(({ nextSlot }) => Duration.toMillis(nextSlot))
        for (const [i, wait] of waits(expected).entries()) {
          assert.isAtLeast(waits(status)[i] ?? 0, wait)
          assert.isAtMost(waits(status)[i] ?? 0, wait + slack + 1)
        }
      }).pipe(Effect.provide(layer)))

    test("blocks calls for a year at most", () =>
      Effect.gen(function* () {
        const log = yield* openLog(toWindows([3, minute]))
        yield* log.throttled(Duration.infinity)
        const wait = yield* waitOf(log)
        assert.isAtMost(wait, 366 * 24 * hour)
        assert.isAtLeast(wait, 366 * 24 * hour - slack)
      }).pipe(Effect.provide(layer)))

    const step = Schema.Literals(["acquire", "acquire", "acquire", "answer", "release", "pass", "throttled"])
    const few = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
    const short = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: clock === "virtual" ? 400 : 40 }))
    test.prop(
      "grants permits by the rule, in any order of operations",
      [
        Arbitrary.array(Arbitrary.schema(Schema.Struct({ limit: few, millis: short })), { minLength: 1, maxLength: 3 }),
        Arbitrary.array(Arbitrary.schema(Schema.Struct({ step, millis: short })), { maxLength: 25 }),
      ],
      ([limits, steps]) =>
        Effect.gen(function* () {
          const windows = toWindows(...limits.map(({ limit, millis }) => [limit, millis] as const))
          const log = yield* openLog(windows)
          const permits: Array<QuotaStore.Permit> = []
          for (const { millis, step } of steps) {
            if (step === "pass") yield* pass(millis)
            else if (step === "throttled") yield* log.throttled(Duration.millis(millis))
            else if (step === "answer") yield* permits.shift()?.answered ?? Effect.void
            else if (step === "release") yield* permits.shift()?.release ?? Effect.void
            else {
              // Time may pass meanwhile: the rule allows no more before than after.
              const before = QuotaRule.delay(windows, yield* log.calls)
              const taken = yield* Effect.exit(log.acquire)
              const after = yield* log.calls
              if (Exit.isSuccess(taken)) {
                permits.push(taken.value)
                assert.strictEqual(QuotaRule.delay(windows, { ...after, inFlight: after.inFlight - 1 }), 0)
              } else {
                const error = yield* Effect.flip(taken)
                const wait = error._tag === "QuotaFull" ? Duration.toMillis(error.retryAfter) : Number.NaN
                assert.isAtMost(wait, Math.ceil(before))
                assert.isAtLeast(wait, Math.ceil(QuotaRule.delay(windows, after)))
              }
              if (clock === "virtual") assert.strictEqual(Exit.isSuccess(taken), before === 0)
            }
          }
        }).pipe(Effect.provide(layer)),
      { arbitrary: { runs: clock === "virtual" ? 200 : 40 } },
    )
  })
}
