/**
 * How long something takes, also where the machine sleeps or its clock is set back meanwhile.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Starts a stopwatch for code without effects. The function returns the milliseconds since the start.
 *
 * @see {@link start} for the clocks that it reads
 *
 * @since 0.1.0
 * @category constructors
 */
export const startMillisUnsafe = (clock: Clock.Clock): (() => number) => {
  const wall = clock.currentTimeMillisUnsafe()
  const monotonic = clock.monotonicTimeNanosUnsafe()
  return () =>
    Math.max(clock.currentTimeMillisUnsafe() - wall, Number(clock.monotonicTimeNanosUnsafe() - monotonic) / 1e6)
}

/**
 * Starts a stopwatch. The inner effect returns the time since the start.
 *
 * **Details**
 *
 * The larger of two clocks: the monotonic one of Linux stands still while the machine sleeps, and the wall clock may be set.
 *
 * **Gotchas**
 *
 * The time is too long after the wall clock was set forward, and too short where it was set back by as long as the machine slept.
 *
 * @example
 * ```ts
 * import * as Stopwatch from "@live-response/core/Stopwatch"
 * import * as Effect from "effect/Effect"
 *
 * export const timed = Effect.fn(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
 *   const elapsed = yield* Stopwatch.start
 *   return [yield* work, yield* elapsed] as const
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const start: Effect.Effect<Effect.Effect<Duration.Duration>> = Effect.map(Clock.Clock, (clock) => {
  const elapsed = startMillisUnsafe(clock)
  return Effect.sync(() => Duration.millis(elapsed()))
})
