import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

/** Holds a key until the scope ends, and waits until nobody else holds it. */
export type Hold = (key: string) => Effect.Effect<void, never, Scope.Scope>

/** One holder at a time for each key. Only keys that are held or waited for are in memory. */
export const make: Effect.Effect<Hold, never, Scope.Scope> = Effect.gen(function* () {
  const locks = yield* RcMap.make<string, Semaphore.Semaphore, never, never>({ lookup: () => Semaphore.make(1) })
  return (key) => Effect.flatMap(RcMap.get(locks, key), (lock) => lock.takeScoped(1))
})
