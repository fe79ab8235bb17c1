import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds by a clock that nobody sets: good for how long something took, and for nothing else. */
export const monotonicMillis: Effect.Effect<number> = Effect.map(
  Clock.monotonicTimeNanos,
  (nanos) => Number(nanos) / 1e6,
)

/** The same, for whoever has the clock at hand. */
export const monotonicMillisUnsafe = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
