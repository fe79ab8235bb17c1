import * as Effect from "effect/Effect"

/**
 * Runs an effect where it has not run for its key: what is tried or read every few seconds warns of a tenant or a file, and one
 * warning is enough.
 */
export const makeOncePerKey = <K>(): (<E, R>(
  key: K,
  effect: Effect.Effect<void, E, R>,
) => Effect.Effect<void, E, R>) => {
  const done = new Set<K>()
  return (key, effect) =>
    Effect.suspend(() => {
      if (done.has(key)) return Effect.void
      // Before it has run: the work of several tenants, which may have one file, starts together.
      done.add(key)
      return effect
    })
}
