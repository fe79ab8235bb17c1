import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as ClockWatch from "../src/internal/clockWatch.ts"
import { sharedServer, startServer } from "./support/server.ts"

startServer()

describe("ClockWatch.watch", () => {
  it.live("warns once while the clock of the machine is more than a minute from that of the database", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => lines.push(`${logLevel}: ${String(message)}`))
    const again = "Info: the clock of this machine is that of PostgreSQL again"
    return Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const state = { ahead: 0, readings: 0 }
      const wall = () => {
        state.readings++
        return clock.currentTimeMillisUnsafe() + state.ahead
      }
      const wrong: Clock.Clock = {
        currentTimeMillisUnsafe: wall,
        currentTimeMillis: Effect.sync(wall),
        currentTimeNanosUnsafe: () => BigInt(wall()) * 1_000_000n,
        currentTimeNanos: Effect.sync(() => BigInt(wall()) * 1_000_000n),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration),
      }
      yield* Effect.provideService(ClockWatch.watch("10 millis"), Clock.Clock, wrong)
      /** Several comparisons later, each of two readings. */
      const settled = Effect.suspend(() => {
        const before = state.readings
        return Effect.sync(() => state.readings).pipe(
          Effect.delay("10 millis"),
          Effect.repeat({ until: (readings) => readings > before + 6 }),
        )
      })
      const minute = 60_000
      for (const ahead of [0, 0.9 * minute, 600.4 * minute, 0, -10.001 * minute, -0.9 * minute]) {
        state.ahead = ahead
        yield* settled
      }
      const warned = (what: string) =>
        `Warn: the clock of this machine is ${what} that of PostgreSQL; correct whichever is wrong: sign-ins and stores refuse a machine whose clock is wrong`
      assert.deepStrictEqual(lines, [warned("10h 24s ahead of"), again, warned("10m behind"), again])
    }).pipe(Effect.scoped, Effect.provide([sharedServer, Logger.layer([logger])]))
  })
})
