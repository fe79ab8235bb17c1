/** Hands out permits to the calls that wait for them, in their order. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { WaitingLine } from "./waitingLine.ts"

export interface Options<Permit, E> {
  /** Names the permits in the log. */
  readonly name: string
  /** Waits for the next permit. */
  readonly acquire: Effect.Effect<Permit, E>
  /** Releases a permit that no call waits for any more. */
  readonly release: (permit: Permit) => Effect.Effect<void>
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * Makes the dispenser. One fiber acquires permits while calls wait, so a hundred thousand waiting calls cost a queue and not
 * a hundred thousand timers.
 */
export const make = Effect.fnUntraced(function* <Permit, E>({ acquire, name, release }: Options<Permit, E>) {
  const line = new WaitingLine<Permit, E>()

  const grant = (permit: Permit) => Effect.suspend(() => (line.grant(permit) ? Effect.void : release(permit)))

  /** Whether there are permits is unknown: the waiting calls fail, and a later call tries again. */
  const failAll = (cause: Cause.Cause<E>) =>
    Effect.suspend(() => {
      line.failAll(cause)
      return Cause.hasDies(cause)
        ? Effect.logError(`the quota ${name} failed unexpectedly, and with it the calls that waited for it`, cause)
        : Effect.void
    })

  const loop = yield* line.wanted.await.pipe(
    // Lets all calls of the same instant enter the line before the first of them gets its permit.
    Effect.andThen(Effect.yieldNow),
    Effect.andThen(Effect.uninterruptibleMask((restore) => Effect.flatMap(restore(acquire), grant))),
    Effect.catchCause(failAll),
    Effect.forever,
    Effect.forkScoped,
  )
  // Without the loop no call would ever get a permit.
  loop.addObserver((exit) => line.close(Exit.isFailure(exit) ? exit.cause : Cause.interrupt()))

  return {
    /** How many calls wait. */
    waiting: (): number => line.size,

    /** Gives a permit that was not used to the next call that waits, or releases it. */
    passOn: grant,

    /** Waits for a permit in its caller's mask. A call that is interrupted while it owns a permit passes it on. */
    take: (isUrgent: boolean, restore: Restore): Effect.Effect<Permit, E> =>
      Effect.suspend(() => {
        const ticket = line.enter(isUrgent)
        const leave = Effect.suspend(() => {
          const permit = line.leave(ticket)
          return permit === undefined ? Effect.void : grant(permit)
        })
        return Effect.onError(restore(Deferred.await(ticket.granted)), () => leave)
      }),
  }
})
