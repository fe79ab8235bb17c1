import { assert, describe, it } from "@effect/vitest"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"

const toWindows = (windows: ReadonlyArray<{ readonly limit: number; readonly millis: number }>) =>
  windows.map(({ limit, millis }) => QuotaRule.Window.make({ limit, duration: Duration.millis(millis) }))

const openLog = (windows: ReadonlyArray<QuotaRule.Window>) =>
  Effect.flatMap(QuotaStore.QuotaStore, (store) =>
    store.open({ name: "test", windows, lease: Duration.minutes(2) }),
  ).pipe(Effect.provide(QuotaStore.layerMemory))

/** What only the store in memory does. `packages/node/test/support/QuotaStoreSuite.ts` has the tests of every store. */
describe("QuotaStore.layerMemory", () => {
  it.effect("never lets more than the limit into a window, not even by a fraction of a millisecond", () =>
    Effect.gen(function* () {
      const log = yield* openLog(toWindows([{ limit: 1, millis: 1000 }]))
      yield* TestClock.adjust(0.9)
      yield* (yield* log.acquire).answered
      // 999.1 milliseconds later.
      yield* TestClock.adjust(999.1)
      yield* Effect.flip(log.acquire)
    }),
  )

  it.effect("does not depend on the system clock", () =>
    Effect.gen(function* () {
      const log = yield* openLog(toWindows([{ limit: 1, millis: 1000 }]))
      yield* TestClock.setTime(1_000_000)
      yield* (yield* log.acquire).answered
      yield* TestClock.setTime(0)
      const full = yield* Effect.flip(log.acquire)
      assert.deepInclude(full, { _tag: "QuotaFull", retryAfter: Duration.seconds(1) })
    }),
  )

  it.effect("counts right over many more calls than a window has", () =>
    Effect.gen(function* () {
      const log = yield* openLog(
        toWindows([
          { limit: 3, millis: 10 },
          { limit: 20, millis: 1000 },
        ]),
      )
      let taken = 0
      for (let at = 0; at < 10_000; at += 5) {
        const permit = yield* Effect.option(log.acquire)
        if (Option.isSome(permit)) {
          taken++
          yield* permit.value.answered
        }
        yield* TestClock.adjust(5)
      }
      assert.strictEqual(taken, 200)
      assert.isAtMost((yield* log.calls).stamps.length, 42)
    }),
  )
})
