/** Work that concurrent calls share, such as flushing a file. */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"

/** The calls that share one run, and how it ended. */
interface Group<A, E> {
  readonly items: Array<A>
  exit: Exit.Exit<void, E> | undefined
}

/**
 * One run at a time. Calls that come while one is in progress wait, and then share the next: each of them has its outcome.
 * A call is uninterruptible, because its item belongs to a run that others share.
 */
export const make = <A, E>(
  run: (items: ReadonlyArray<A>) => Effect.Effect<void, E>,
): ((item: A) => Effect.Effect<void, E>) => {
  const oneAtATime = Semaphore.makeUnsafe(1).withPermits(1)
  let next: Group<A, E> = { items: [], exit: undefined }
  const runOnce = (group: Group<A, E>) =>
    Effect.suspend((): Effect.Effect<void, E> => {
      if (group.exit !== undefined) return group.exit
      next = { items: [], exit: undefined }
      return Effect.onExit(run(group.items), (exit) =>
        Effect.sync(() => {
          group.exit = exit
        }),
      )
    })
  return (item) =>
    Effect.uninterruptible(
      Effect.suspend(() => {
        const group = next
        group.items.push(item)
        return oneAtATime(runOnce(group))
      }),
    )
}
