import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** As `Effect.cached`, but a failure is not kept: the next caller tries again. Callers at the same time share one attempt. */
export const cachedSuccess: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Effect.Effect<A, E, R>> =
  Effect.cachedWithTTL((exit) => (Exit.isSuccess(exit) ? Duration.infinity : Duration.zero))
