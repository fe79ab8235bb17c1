import { afterAll, beforeAll } from "@effect/vitest"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"

/** A layer that is built once for all tests that follow, because a server or a browser takes a second to start. */
export const sharedLayer = <A, E>(layer: Layer.Layer<A, E>): Layer.Layer<A> => {
  const scope = Scope.makeUnsafe()
  let built: Context.Context<A> | undefined
  beforeAll(() =>
    Effect.runPromise(
      Effect.map(Layer.buildWithScope(layer, scope), (context) => {
        built = context
      }),
    ),
  )
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Layer.effectContext(
    Effect.suspend(() => (built === undefined ? Effect.die("it is not built yet") : Effect.succeed(built))),
  )
}
