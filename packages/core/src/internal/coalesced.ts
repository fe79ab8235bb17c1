import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * Runs an effect in the background of a scope each time that it is asked to, but not more often than this: what is asked
 * while it waits is one run more. Nobody waits for it, and its failures are ignored.
 */
export const coalesced = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: { readonly atMostEvery: Duration.Duration; readonly scope: Scope.Scope },
): Effect.Effect<void, never, R> => {
  const state = { isAsked: false, isRunning: false }
  const run = Effect.suspend(() => {
    state.isAsked = false
    return Effect.andThen(Effect.ignoreCause(effect), Effect.sleep(options.atMostEvery))
  }).pipe(
    Effect.repeat({ while: () => state.isAsked }),
    Effect.ensuring(
      Effect.sync(() => {
        state.isRunning = false
      }),
    ),
  )
  return Effect.suspend(() => {
    state.isAsked = true
    if (state.isRunning) return Effect.void
    state.isRunning = true
    return Effect.asVoid(Effect.forkIn(run, options.scope, { startImmediately: true }))
  })
}
