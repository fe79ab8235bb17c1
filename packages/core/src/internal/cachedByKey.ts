import * as Effect from "effect/Effect"
import { cachedSuccess } from "./cachedSuccess.ts"

/** Makes a value once for each key, as `cachedSuccess` does it. */
export const cachedByKey = <Options, A, E, R>(
  keyOf: (options: Options) => string,
  make: (options: Options) => Effect.Effect<A, E, R>,
): ((options: Options) => Effect.Effect<A, E, R>) => {
  const cache = new Map<string, Effect.Effect<A, E, R>>()
  return (options) =>
    Effect.suspend(() => {
      const key = keyOf(options)
      const known = cache.get(key)
      if (known !== undefined) return known
      return Effect.flatMap(cachedSuccess(make(options)), (made) => {
        // Another caller may have come first.
        const cached = cache.get(key) ?? made
        cache.set(key, cached)
        return cached
      })
    })
}
