import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { acquire } from "./acquire.ts"

/** Waits until the key is free, and holds it until the scope closes. */
export type Hold = (key: string) => Effect.Effect<void, never, Scope.Scope>

interface Lock {
  readonly semaphore: Semaphore.Semaphore
  /** How many hold it or wait for it. */
  users: number
}

/** A lock for each key. Only keys that are held or waited for use memory. */
export const make = (): Hold => {
  const locks = new Map<string, Lock>()
  const enter = (key: string) =>
    Effect.sync(() => {
      const lock = locks.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
      locks.set(key, lock)
      lock.users++
      return lock
    })
  const leave = (key: string, lock: Lock) =>
    Effect.sync(() => {
      lock.users--
      if (lock.users === 0) locks.delete(key)
    })
  return (key) =>
    acquire(enter(key), (lock) => leave(key, lock)).pipe(Effect.flatMap(({ semaphore }) => semaphore.takeScoped(1)))
}
