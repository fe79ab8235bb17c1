/**
 * How long something takes, also where the clock of the machine is set back meanwhile.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Starts a stopwatch. The inner effect returns the time since.
 *
 * The larger of two clocks: the wall clock may be set back, and the monotonic one of Linux stands still while the machine sleeps.
 */
export const start: Effect.Effect<Effect.Effect<Duration.Duration>> = Effect.map(Clock.Clock, (clock) => {
  const wall = clock.currentTimeMillisUnsafe()
  const monotonic = clock.monotonicTimeNanosUnsafe()
  return Effect.sync(() =>
    Duration.max(
      Duration.millis(clock.currentTimeMillisUnsafe() - wall),
      Duration.nanos(clock.monotonicTimeNanosUnsafe() - monotonic),
    ),
  )
})
