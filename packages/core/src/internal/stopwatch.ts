import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Starts a stopwatch, as {@link startStopwatch} does, for code without effects. */
export const startUnsafe = (clock: Clock.Clock): (() => number) => {
  const wall = clock.currentTimeMillisUnsafe()
  const monotonic = clock.monotonicTimeNanosUnsafe()
  return () =>
    Math.max(clock.currentTimeMillisUnsafe() - wall, Number(clock.monotonicTimeNanosUnsafe() - monotonic) / 1e6)
}

/**
 * Starts a stopwatch that also counts the time in which this machine slept. The inner effect returns the milliseconds since
 * the start.
 *
 * A monotonic clock does not count a suspension everywhere: on Linux it is `CLOCK_MONOTONIC`, which stands still. The wall
 * clock counts it, but it may be set. The larger of the two is too large after the clock was set forward, and too small only
 * where it was set back by as long as the machine slept.
 */
export const startStopwatch: Effect.Effect<Effect.Effect<number>> = Effect.map(Clock.Clock, (clock) =>
  Effect.sync(startUnsafe(clock)),
)
