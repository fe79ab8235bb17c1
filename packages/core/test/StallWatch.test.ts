import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as MinimumRate from "../src/internal/minimumRate.ts"
import * as StallWatch from "../src/internal/stallWatch.ts"

/** A clock that counts the sleeps of what runs with it. */
const counted = (clock: Clock.Clock) => {
  const sleeps = { count: 0 }
  const counting: Clock.Clock = {
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
    currentTimeMillis: clock.currentTimeMillis,
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
    currentTimeNanos: clock.currentTimeNanos,
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) =>
      Effect.suspend(() => {
        sleeps.count++
        return clock.sleep(duration)
      }),
  }
  return { counting, sleeps }
}

describe("StallWatch.make", () => {
  it.effect("leaves no timer, whatever interrupts it between two steps", () =>
    Effect.gen(function* () {
      const { counting, sleeps } = counted(yield* Clock.Clock)
      const limits = { timeout: Duration.seconds(30), minimum: { bytesPerSecond: 0, over: 60_000 } }
      for (let steps = 5; steps <= 24; steps++) {
        for (let later = 0; later <= 12; later++) {
          const connection = yield* Scope.make()
          const watching = Effect.scoped(
            Effect.andThen(StallWatch.make(connection, new MinimumRate.Pace(), limits), Effect.never),
          ).pipe(
            Effect.provideService(Clock.Clock, counting),
            Effect.provideService(Scheduler.MaxOpsBeforeYield, steps),
          )
          const fiber = yield* Effect.forkChild(watching)
          for (let n = 0; n < later; n++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
        }
      }
      yield* TestClock.adjust("1 minute")
      const before = sleeps.count
      assert.isAbove(before, 0)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(sleeps.count, before)
    }),
  )
})
