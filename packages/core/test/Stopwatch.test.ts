import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stopwatch from "@live-response/core/Stopwatch"

/** What a stopwatch shows after both clocks have moved, in seconds. */
const shown = (moved: { readonly wall: number; readonly monotonic: number }) => {
  const now = { wall: 1_000_000, monotonic: 50 }
  return Effect.gen(function* () {
    const clock: Clock.Clock = Object.assign(Object.create(yield* Clock.Clock), {
      currentTimeMillisUnsafe: () => now.wall * 1000,
      monotonicTimeNanosUnsafe: () => BigInt(now.monotonic) * 1_000_000_000n,
    })
    const elapsed = yield* Effect.provideService(Stopwatch.start, Clock.Clock, clock)
    now.wall += moved.wall
    now.monotonic += moved.monotonic
    return Duration.toSeconds(yield* elapsed)
  })
}

describe("the stopwatch", () => {
  it.effect("is not negative after the clock was set back, and counts the time in which the machine slept", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* shown({ wall: 5, monotonic: 5 }), 5)
      assert.strictEqual(yield* shown({ wall: -10_800, monotonic: 16 }), 16)
      assert.strictEqual(yield* shown({ wall: 3600, monotonic: 2 }), 3600)
    }),
  )
})
