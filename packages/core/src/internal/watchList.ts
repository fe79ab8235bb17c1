/** The machine actions that are watched: which of them are looked at next, and what ends their watching. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type { MachineAction, MachineActionId } from "../MachineAction.ts"

/** One action, as one caller watches it. */
export interface Watched<E> {
  readonly id: MachineActionId
  /** Sliding: a caller that is slow sees the last look alone. */
  readonly queue: Queue.Queue<MachineAction, E | Cause.Done>
  due: number
  /** At the last look there was something to wait for that may come at any moment. */
  isUrgent: boolean
}

/** An expression of so many comparisons has 99 nodes, and 100 is what a service of OData takes unless it says otherwise. */
export const idsInOneCall = 25

/** However many are urgent, the others get their turn as well. */
const urgentInOneCall = 20

/**
 * What one call looks at: nothing where none is due, else also those that are due soon. So they gather, and cost no calls
 * of their own.
 */
export const pickDue = <W extends Pick<Watched<never>, "due" | "isUrgent">>(
  watched: Iterable<W>,
  now: number,
  limit: number,
): ReadonlyArray<W> => {
  const byDue = Array.from(watched).sort((a, b) => a.due - b.due)
  const urgent = byDue.filter((one) => one.isUrgent && one.due <= now)
  const others = byDue.filter((one) => !one.isUrgent || one.due > now)
  const first = urgent.slice(0, urgentInOneCall)
  const picked = [
    ...first,
    ...others.slice(0, idsInOneCall - first.length),
    ...urgent.slice(urgentInOneCall, idsInOneCall),
  ].slice(0, limit)
  return picked.some(({ due }) => due <= now) ? picked : []
}

/** Every transition is one synchronous step, and is complete before a caller is resumed: that one may leave at once. */
export class WatchList<W extends Watched<E>, E> {
  /** Open while something is watched. */
  readonly wanted = Latch.makeUnsafe(false)

  /** Open while nothing is watched. */
  readonly idle = Latch.makeUnsafe(true)

  private readonly watched = new Set<W>()
  private closed: Exit.Exit<unknown, E> | undefined

  get all(): Iterable<W> {
    return this.watched
  }

  /** In a list that is closed its watching ends at once. */
  add(one: W): void {
    if (this.closed !== undefined) return endQueue(one, this.closed)
    this.watched.add(one)
    this.idle.closeUnsafe()
    this.wanted.openUnsafe()
  }

  /** A caller left, or its watching ended. */
  remove(one: W): void {
    if (!this.watched.delete(one) || this.watched.size > 0) return
    this.wanted.closeUnsafe()
    this.idle.openUnsafe()
  }

  postpone(one: W, now: number, delay: Duration.Duration): void {
    one.due = now + Duration.toMillis(delay)
    one.isUrgent = Duration.isZero(delay)
  }

  /** Reports a look. One at a final action is the last. */
  report(one: W, action: MachineAction): void {
    Queue.offerUnsafe(one.queue, action)
    if (action.isFinal) this.end(one, Exit.void)
  }

  end(one: W, exit: Exit.Exit<unknown, E>): void {
    this.remove(one)
    endQueue(one, exit)
  }

  /** Ends the watching of all, and of whatever is added later. */
  close(exit: Exit.Exit<unknown, E>): void {
    this.closed = exit
    for (const one of Array.from(this.watched)) this.end(one, exit)
  }
}

const endQueue = <E>({ queue }: Watched<E>, exit: Exit.Exit<unknown, E>): void => {
  Queue.failCauseUnsafe(queue, Exit.isFailure(exit) ? exit.cause : Cause.fail(Cause.Done()))
}
