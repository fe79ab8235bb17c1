/** Time limits that share one sleeping fiber. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as TimeLimit from "../src/internal/timeLimit.ts"

/** The next uncaught exception, instead of the listeners of the test runner, until the scope closes. */
const uncaughtException = Effect.gen(function* () {
  const caught = yield* Deferred.make<unknown>()
  const others = process.listeners("uncaughtException")
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      process.removeAllListeners("uncaughtException")
      process.once("uncaughtException", (error) => Deferred.doneUnsafe(caught, Effect.succeed(error)))
    }),
    () =>
      Effect.sync(() => {
        process.removeAllListeners("uncaughtException")
        for (const other of others) process.on("uncaughtException", other)
      }),
  )
  return caught
})

const limited = TimeLimit.limited({ duration: "10 seconds", orElse: () => "late" as const })

describe("TimeLimit.limited", () => {
  it.effect("gives what the effect gives, with its services, also where it gives it at once", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* limited(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(limited(Effect.fail("broken"))), "broken")
      const delayed = yield* Effect.forkChild(limited(Effect.delay(Clock.currentTimeMillis, "9 seconds")))
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* Fiber.join(delayed), 9000)
    }),
  )

  it.effect("interrupts what takes too long, and then fails", () =>
    Effect.gen(function* () {
      const ended = yield* Deferred.make<number>()
      const slow = Effect.never.pipe(
        Effect.onInterrupt(() =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.asVoid(Deferred.succeed(ended, now))),
        ),
      )
      const fiber = yield* Effect.forkChild(Effect.flip(limited(slow)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "late")
      assert.strictEqual(yield* Deferred.await(ended), 10_000)
    }),
  )

  it.effect("interrupts the effect with its caller, and waits for its end", () =>
    Effect.gen(function* () {
      let hasEnded = false
      const slow = Effect.never.pipe(
        Effect.onInterrupt(() =>
          Effect.delay(
            Effect.sync(() => void (hasEnded = true)),
            "1 second",
          ),
        ),
      )
      const fiber = yield* Effect.forkChild(limited(slow))
      yield* TestClock.adjust("5 seconds")
      const interrupted = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(interrupted)
      assert.isTrue(hasEnded)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
    }),
  )
})

describe("TimeLimit.after", () => {
  it.effect(
    "expires each limit at its time, also one that comes later and ends earlier, and none that was cancelled",
    () =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        const expired: Array<string> = []
        const note = (name: string) => () => void expired.push(name)
        TimeLimit.after(clock, "3 seconds", note("c"))
        const cancel = TimeLimit.after(clock, "1 second", note("cancelled"))
        TimeLimit.after(clock, "2 seconds", () => {
          note("b")()
          TimeLimit.after(clock, "2 seconds", note("d"))
        })
        TimeLimit.after(clock, "500 millis", note("a"))
        TimeLimit.after(clock, "Infinity", note("never"))
        cancel()
        const at: Array<ReadonlyArray<string>> = []
        for (let step = 0; step < 5; step++) {
          yield* TestClock.adjust("1 second")
          at.push([...expired])
        }
        assert.deepStrictEqual(at, [["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"], ["a", "b", "c", "d"]])
      }),
  )

  it.live("keeps no process alive once its limits were cancelled", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
      const before = timers()
      const cancel = TimeLimit.after(clock, "1 hour", () => {})
      assert.strictEqual(timers(), before + 1)
      cancel()
      yield* Effect.promise(() => Promise.resolve())
      assert.strictEqual(timers(), before)
    }),
  )
})

describe("TimeLimit.after", () => {
  it.live("expires also where so many limits are pending that they are too many for the arguments of a call", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const hour = Duration.hours(1)
      const cancels = Array.from({ length: 600_000 }, () => TimeLimit.after(clock, hour, () => {}))
      // The second one is found only if the first one leaves the others in order.
      yield* Effect.callback<void>((resume) => {
        TimeLimit.after(clock, "1 millis", () => {})
        TimeLimit.after(clock, "50 millis", () => resume(Effect.void))
      })
      for (const cancel of cancels) cancel()
    }),
  )

  it.effect("leaves a limit that was added at zero, again and again, no more than its share of the time", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let times = 0
      let cancel = () => {}
      const again = () => {
        times++
        cancel = TimeLimit.after(clock, 0, again)
      }
      again()
      const other = yield* Effect.forkChild(Effect.flip(limited(Effect.never)))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(other), "late")
      assert.isAtMost(times, 10_001)
      cancel()
    }),
  )

  it.live("loses no limit to one that throws, which is an uncaught exception", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const uncaught = yield* uncaughtException
      yield* Effect.callback<void>((resume) => {
        TimeLimit.after(clock, "1 millis", () => {
          throw new Error("expired badly")
        })
        TimeLimit.after(clock, "1 millis", () => resume(Effect.void))
      })
      yield* Effect.callback<void>((resume) => {
        TimeLimit.after(clock, "1 millis", () => resume(Effect.void))
      })
      assert.include(String(yield* Deferred.await(uncaught)), "expired badly")
    }).pipe(Effect.scoped),
  )
})
