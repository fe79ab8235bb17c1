import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { monotonicMillisUnsafe } from "./monotonic.ts"

export interface StallWatch {
  /** Whether it closed the connection. */
  readonly hasStalled: () => boolean
  /** A read that is watched. */
  readonly during: <A, E, R>(read: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * Closes the connection under a read that takes longer than the time-out. One fiber watches all reads: a timer round each
 * would cost more than the read. Only the time of a read counts, not that of its reader before the next.
 */
export const make = Effect.fnUntraced(function* (
  connection: Scope.Closeable,
  timeout: Duration.Duration,
): Effect.fn.Return<StallWatch, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const limit = Duration.toMillis(timeout)
  const state = { readSince: Infinity, hasStalled: false }

  const isStalled = Effect.sync(() => monotonicMillisUnsafe(clock) - state.readSince >= limit)
  const close = Effect.suspend(() => {
    state.hasStalled = true
    return Scope.close(connection, Exit.void)
  })
  yield* isStalled.pipe(
    Effect.repeat({ schedule: Schedule.spaced(Duration.millis(limit / 4)), until: (stalled) => stalled }),
    Effect.andThen(close),
    Effect.forkScoped,
  )

  const ended = () => {
    state.readSince = Infinity
    return Effect.void
  }
  return {
    hasStalled: () => state.hasStalled,
    during: (read) =>
      Effect.suspend(() => {
        state.readSince = monotonicMillisUnsafe(clock)
        return Effect.onExit(read, ended)
      }),
  }
})
