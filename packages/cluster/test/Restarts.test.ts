import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import * as Restarts from "../src/internal/restarts.ts"

/** Runs work in virtual time with what it logs from the level of information on, and how often it was started. */
const watched = <E>(work: (starts: number) => Effect.Effect<void, E>) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const repeated: Array<boolean> = []
    const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
      const [said] = Array.isArray(message) ? message : [message]
      lines.push(`${logLevel}: ${String(said)}`)
    })
    const fiber = yield* Restarts.untilItEnds(
      "the work",
      Effect.flatMap(Restarts.IsRepeated, (isRepeated) => {
        repeated.push(isRepeated)
        return work(repeated.length)
      }),
    ).pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "Info"),
      Effect.forkChild({ startImmediately: true }),
    )
    return { fiber, lines, repeated }
  })

const failed = "Error: the work failed and is started again"

describe("Restarts.untilItEnds", () => {
  it.effect("logs a failure once, however often the work is started again, and one with another reason too", () =>
    Effect.gen(function* () {
      const requests = ["0e9a7ee8-4d5c-4b61-9d0c-6f4e0d1a0001", "0e9a7ee8-4d5c-4b61-9d0c-6f4e0d1a0002"]
      const { fiber, lines, repeated } = yield* watched((starts) =>
        Effect.fail(starts < 20 ? `the secret has expired (correlation id ${requests[starts % 2]})` : "no such app"),
      )
      yield* TestClock.adjust("10 minutes")
      assert.isAbove(repeated.length, 10)
      assert.deepStrictEqual(lines, [failed])
      assert.deepStrictEqual(new Set(repeated.slice(1)), new Set([true]))
      assert.isFalse(repeated[0])
      yield* TestClock.adjust("20 minutes")
      assert.deepStrictEqual(lines, [failed, failed])
      yield* Fiber.interrupt(fiber)
    }),
  )

  it.effect(
    "takes a failure after a minute of work for a new one: it is logged, and the work starts again at once",
    () =>
      Effect.gen(function* () {
        const { fiber, lines, repeated } = yield* watched((starts) =>
          Effect.andThen(starts === 10 ? Effect.sleep("1 hour") : Effect.void, Effect.fail("no sign-in")),
        )
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(repeated.length, 10)
        assert.deepStrictEqual(lines, [failed, "Info: the work has not failed for a minute"])
        yield* TestClock.adjust("10 minutes")
        const before = repeated.length
        assert.isAbove(before, 10)
        assert.deepStrictEqual(lines.slice(2), [failed])
        yield* Fiber.interrupt(fiber)
      }),
  )

  it.effect("ends with the work", () =>
    Effect.gen(function* () {
      const { fiber, lines } = yield* watched(() => Effect.void)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(lines, [])
    }),
  )
})
