import * as Layer from "effect/Layer"

/**
 * A layer that shares its parts with no other layer, and is itself built once.
 *
 * Layers such as `LiveResponse.layer` are constants, and Effect builds a constant once for a whole program. Without a memo map of
 * its own the second tenant of a program would get the services of the first, and so its sign-in and its directory.
 */
export const withOwnMemoMap = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.effectContext(Layer.build(Layer.fresh(layer)))
