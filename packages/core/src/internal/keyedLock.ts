import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

/** Waits until the key is free, and holds it until the scope closes. */
export type Hold = (key: string) => Effect.Effect<void, never, Scope.Scope>

/** A lock for each key. Only keys that are held or waited for use memory. */
export const make: Effect.Effect<Hold, never, Scope.Scope> = Effect.gen(function* () {
  const locks = yield* RcMap.make<string, Semaphore.Semaphore, never, never>({ lookup: () => Semaphore.make(1) })
  return (key) => Effect.flatMap(RcMap.get(locks, key), (lock) => lock.takeScoped(1))
})
