/** The machine actions that are watched, when each is due for its next poll, and when their watching ends. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type { MachineAction, MachineActionId } from "../MachineAction.ts"

/** One action, as one caller watches it. */
export interface Watched<E> {
  readonly id: MachineActionId
  /** Sliding: a slow caller gets the last state only. */
  readonly queue: Queue.Queue<MachineAction, E | Cause.Done>
  /** When it is due for the next poll, in milliseconds. */
  due: number
  /** Its state may change at any moment, so it is due in each round. */
  isUrgent: boolean
}

/** Every method is one synchronous step, complete before a caller resumes, because that caller may leave at once. */
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

  /** Adds a caller. In a closed list its watching ends at once. */
  add(one: W): void {
    if (this.closed !== undefined) return endQueue(one, this.closed)
    this.watched.add(one)
    this.idle.closeUnsafe()
    this.wanted.openUnsafe()
  }

  /** Removes a caller that left, or that has its final state. */
  remove(one: W): void {
    if (!this.watched.delete(one) || this.watched.size > 0) return
    this.wanted.closeUnsafe()
    this.idle.openUnsafe()
  }

  postpone(one: W, now: number, delay: Duration.Duration): void {
    one.due = now + Duration.toMillis(delay)
    one.isUrgent = Duration.isZero(delay)
  }

  /** Reports the state of an action. A final one is the last. */
  report(one: W, action: MachineAction): void {
    Queue.offerUnsafe(one.queue, action)
    if (action.isFinal) this.end(one, Exit.void)
  }

  /** Ends the watching of one caller. */
  end(one: W, exit: Exit.Exit<unknown, E>): void {
    this.remove(one)
    endQueue(one, exit)
  }

  /** Ends the watching of all callers, and of those that are added later. */
  close(exit: Exit.Exit<unknown, E>): void {
    this.closed = exit
    for (const one of Array.from(this.watched)) this.end(one, exit)
  }
}

const endQueue = <E>({ queue }: Watched<E>, exit: Exit.Exit<unknown, E>): void => {
  Queue.failCauseUnsafe(queue, Exit.isFailure(exit) ? exit.cause : Cause.fail(Cause.Done()))
}
