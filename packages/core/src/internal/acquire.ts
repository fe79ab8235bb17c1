/** Resources whose release needs nothing of its caller. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/**
 * As `Effect.acquireRelease`, but without the services of the caller for the release. Copying them costs more than the
 * release itself, and each result has several.
 */
export const acquire = <A, E, R>(
  resource: Effect.Effect<A, E, R>,
  release: (resource: A) => Effect.Effect<unknown>,
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptible(
    Effect.flatMap(Effect.scope, (scope) =>
      Effect.tap(resource, (acquired) => Scope.addFinalizer(scope, release(acquired))),
    ),
  )
