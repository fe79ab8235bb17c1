import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { monotonicMillisUnsafe } from "./monotonic.ts"
import * as Pace from "./pace.ts"

/** Why a connection was closed: how long it was quiet, or what came during how long. */
export interface Stall {
  readonly timeout: Duration.Duration
  readonly rate?: number
}

export interface StallWatch {
  /** Why it closed the connection, where it did. */
  readonly stalled: () => Stall | undefined
  /** A read of bytes that is watched. */
  readonly during: <A extends ReadonlyArray<Uint8Array>, E, R>(read: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** What a read may do to a connection: it has lasted so long, and this is the window in which it is the last. */
export const stallOf = (
  { waited, window }: { readonly waited: number; readonly window: Pace.Window },
  timeout: number,
  minimum: Pace.Minimum,
): Stall | undefined => {
  if (waited >= timeout) return { timeout: Duration.millis(timeout) }
  return Pace.isTooSlow(window, minimum)
    ? { timeout: Duration.millis(window.waited), rate: Pace.rateOf(window) }
    : undefined
}

/**
 * Closes the connection under a read that takes longer than the time-out, or where the reads bring too few bytes for the
 * time that they take. One fiber watches all reads: a timer round each would cost more than the read. Only the time of a
 * read counts, not that of its reader before the next.
 */
export const make = Effect.fnUntraced(function* (
  connection: Scope.Closeable,
  pace: Pace.Pace,
  limits: { readonly timeout: Duration.Duration; readonly minimum: Pace.Minimum },
): Effect.fn.Return<StallWatch, never, Scope.Scope> {
  const clock = yield* Clock.Clock
  const timeout = Duration.toMillis(limits.timeout)
  const state: { readSince: number | undefined; stall: Stall | undefined } = { readSince: undefined, stall: undefined }

  const waited = () => (state.readSince === undefined ? 0 : monotonicMillisUnsafe(clock) - state.readSince)
  const look = Effect.sync(() => {
    if (state.readSince === undefined) return false
    const since = waited()
    state.stall = stallOf({ waited: since, window: pace.during(since) }, timeout, limits.minimum)
    return state.stall !== undefined
  })
  const close = Effect.suspend(() => {
    if (state.stall?.rate !== undefined) pace.endSlow()
    return Scope.close(connection, Exit.void)
  })
  yield* look.pipe(
    Effect.repeat({ schedule: Schedule.spaced(Duration.millis(timeout / 4)), until: (stalled) => stalled }),
    Effect.andThen(close),
    Effect.forkScoped,
  )

  return {
    stalled: () => state.stall,
    during: (read) =>
      Effect.suspend(() => {
        state.readSince = monotonicMillisUnsafe(clock)
        return Effect.onExit(read, (exit) => {
          const bytes = Exit.isSuccess(exit) ? exit.value.reduce((sum, { length }) => sum + length, 0) : 0
          if (state.stall === undefined) pace.add(waited(), bytes, limits.minimum)
          state.readSince = undefined
          return Effect.void
        })
      }),
  }
})
