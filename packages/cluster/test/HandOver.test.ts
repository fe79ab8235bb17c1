import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { acquireSoon } from "../src/internal/handOver.ts"

/** Locks of which one more is free each time. */
const freeing = () => {
  let free = 0
  return Effect.sync(() => Array.from({ length: free++ }, (_, lock) => lock))
}

describe("acquireSoon", () => {
  it.effect("gets the locks that their former runner releases within a second, and gives up on the others", () =>
    Effect.gen(function* () {
      for (const [wanted, acquired, after] of [
        [0, 0, "0 millis"],
        [6, 6, "600 millis"],
        [12, 9, "900 millis"],
      ] as const) {
        const fiber = yield* Effect.forkChild(acquireSoon(freeing(), wanted, () => false))
        yield* TestClock.adjust(after)
        assert.strictEqual(fiber.pollUnsafe()?._tag, "Success", `${wanted} are wanted`)
        assert.lengthOf(yield* Fiber.join(fiber), acquired)
      }
    }),
  )

  it.effect("does not wait when this runner is leaving", () =>
    Effect.gen(function* () {
      assert.lengthOf(yield* acquireSoon(freeing(), 6, () => true), 0)
    }),
  )
})
