/** What tenants do at the same interval is spread over it. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { spread } from "../src/internal/spread.ts"

const delays = Effect.gen(function* () {
  const step = yield* Schedule.toStep(spread(Schedule.spaced("1 minute")))
  const next = Effect.map(step(0, undefined), ([, delay]) => Duration.toMillis(delay))
  return [yield* next, yield* next, yield* next] as const
})

describe("spread", () => {
  it.effect("waits a random part of the interval first, then the interval", () =>
    Effect.gen(function* () {
      const all = yield* Effect.replicateEffect(delays, 200)
      for (const [, ...later] of all) assert.deepStrictEqual(later, [60_000, 60_000])
      const quarters = new Set(all.map(([first]) => Math.floor(first / 15_000)))
      assert.deepStrictEqual(Array.from(quarters).toSorted(), [0, 1, 2, 3])
    }),
  )
})
