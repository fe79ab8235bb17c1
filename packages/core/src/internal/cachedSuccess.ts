import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** `Effect.cached` without failures: after one the next caller tries again. Concurrent callers share one attempt. */
export const cachedSuccess: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Effect.Effect<A, E, R>> =
  Effect.cachedWithTTL((exit) => (Exit.isSuccess(exit) ? Duration.infinity : Duration.zero))
