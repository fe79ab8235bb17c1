/** Closes the connection under a read that receives nothing, or too little, for too long. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { acquire } from "./acquire.ts"
import { monotonicMillisUnsafe } from "./monotonic.ts"
import * as MinimumRate from "./minimumRate.ts"
import * as TimeLimit from "./timeLimit.ts"

/** How long a body may go without a byte by default. */
export const defaultTimeout: Duration.Input = "30 seconds"

/** Why a connection was closed: nothing arrived for `timeout`, or bytes arrived at only `rate` during it. */
export interface Stall {
  readonly timeout: Duration.Duration
  readonly rate?: number
}

export interface Limits {
  readonly timeout: Duration.Duration
  readonly minimum: MinimumRate.Minimum
}

export interface StallWatch {
  /** Why it closed the connection, if it did. */
  readonly stall: () => Stall | undefined
  /** Watches a read of bytes. */
  readonly during: <A extends ReadonlyArray<Uint8Array>, E, R>(read: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Whether a read that has lasted `waited` milliseconds has stalled. `window` is the pace including that read. */
const stallOf = (
  { waited, window }: { readonly waited: number; readonly window: MinimumRate.Window },
  timeout: number,
  minimum: MinimumRate.Minimum,
): Stall | undefined => {
  if (waited >= timeout) return { timeout: Duration.millis(timeout) }
  return MinimumRate.isTooSlow(window, minimum)
    ? { timeout: Duration.millis(window.waited), rate: MinimumRate.rateOf(window) }
    : undefined
}

const lengthOf = (chunks: ReadonlyArray<Uint8Array>): number => chunks.reduce((sum, { length }) => sum + length, 0)

/**
 * Watches the reads of one connection.
 *
 * One timer watches all reads, because one around each would cost more than the read. Only the time inside reads counts, not
 * the time that the consumer takes between them.
 */
export const make = (
  connection: Scope.Closeable,
  pace: MinimumRate.Pace,
  limits: Limits,
): Effect.Effect<StallWatch, never, Scope.Scope> =>
  Effect.flatMap(Effect.context<Scope.Scope>(), (context) =>
    Effect.map(
      acquire(
        Effect.sync(() => start(context, connection, pace, limits)),
        ({ cancel }) => cancel,
      ),
      ({ watch }) => watch,
    ),
  )

const start = (
  context: Context.Context<Scope.Scope>,
  connection: Scope.Closeable,
  pace: MinimumRate.Pace,
  { minimum, timeout }: Limits,
): { readonly cancel: Effect.Effect<void>; readonly watch: StallWatch } => {
  const clock = Context.get(context, Clock.Clock)
  const timeoutMillis = Duration.toMillis(timeout)
  const state: { readStartedAt: number | undefined; stall: Stall | undefined } = {
    readStartedAt: undefined,
    stall: undefined,
  }

  const waited = () => (state.readStartedAt === undefined ? 0 : monotonicMillisUnsafe(clock) - state.readStartedAt)
  let cancel: (() => void) | undefined
  const look = () => {
    if (state.readStartedAt !== undefined) {
      const sinceStart = waited()
      state.stall = stallOf({ waited: sinceStart, window: pace.during(sinceStart) }, timeoutMillis, minimum)
    }
    if (state.stall === undefined) return lookLater()
    if (state.stall.rate !== undefined) pace.stopSlow()
    Effect.runForkWith(context)(Scope.close(connection, Exit.void))
  }
  const lookLater = () => {
    cancel = TimeLimit.after(clock, Duration.millis(timeoutMillis / 4), look)
  }
  // Nothing has stalled before the first quarter, in which most bodies end.
  lookLater()

  const watch: StallWatch = {
    stall: () => state.stall,
    during: (read) =>
      Effect.suspend(() => {
        state.readStartedAt = monotonicMillisUnsafe(clock)
        return Effect.onExit(read, (exit) => {
          if (state.stall === undefined) pace.add(waited(), Exit.isSuccess(exit) ? lengthOf(exit.value) : 0, minimum)
          state.readStartedAt = undefined
          return Effect.void
        })
      }),
  }
  return { cancel: Effect.sync(() => cancel?.()), watch }
}
