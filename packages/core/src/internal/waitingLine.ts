/** The calls that wait for a permit: who is next, and who owns a permit that was handed over. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as MutableList from "effect/MutableList"

/** One waiting call. Its turn ends the waiting: with a permit, which it owns from then on, or with the reason why not. */
export interface Ticket<Permit, E> {
  readonly turn: Deferred.Deferred<Permit, E>
  permit: Permit | undefined
  isWaiting: boolean
}

/**
 * Every transition is one synchronous step, so no interruption and no other fiber comes between a decision and what
 * follows from it. Each is complete before a waiting call is resumed: that one may enter again at once.
 */
export class WaitingLine<Permit, E> {
  /** Open while a call waits. */
  readonly wanted = Latch.makeUnsafe(false)

  private readonly urgent = MutableList.make<Ticket<Permit, E>>()
  private readonly others = MutableList.make<Ticket<Permit, E>>()
  private waiting = 0
  private closed: Cause.Cause<E> | undefined

  /** How many calls wait. */
  get size(): number {
    return this.waiting
  }

  /** Takes the last place, or the last one among the urgent calls. In a line that is closed its turn has come already. */
  enter(isUrgent: boolean): Ticket<Permit, E> {
    const ticket: Ticket<Permit, E> = { turn: Deferred.makeUnsafe(), permit: undefined, isWaiting: true }
    if (this.closed !== undefined) {
      ticket.isWaiting = false
      Deferred.doneUnsafe(ticket.turn, Exit.failCause(this.closed))
      return ticket
    }
    MutableList.append(isUrgent ? this.urgent : this.others, ticket)
    this.waiting++
    this.wanted.openUnsafe()
    return ticket
  }

  /** Ends the waiting of a call that is interrupted. The permit that it owned by then is the caller's to hand over, once. */
  leave(ticket: Ticket<Permit, E>): Permit | undefined {
    if (ticket.isWaiting) this.resign(ticket)
    const { permit } = ticket
    ticket.permit = undefined
    return permit
  }

  /** Gives the permit to the call that is next. Returns whether there was one. */
  handOver(permit: Permit): boolean {
    const ticket = this.next()
    if (ticket === undefined) return false
    this.resign(ticket)
    ticket.permit = permit
    Deferred.doneUnsafe(ticket.turn, Exit.succeed(permit))
    return true
  }

  /** Fails the calls that wait now. Returns how many. */
  failAll(cause: Cause.Cause<E>): number {
    const failing: Array<Ticket<Permit, E>> = []
    for (let ticket = this.next(); ticket !== undefined; ticket = this.next()) {
      this.resign(ticket)
      failing.push(ticket)
    }
    for (const { turn } of failing) Deferred.doneUnsafe(turn, Exit.failCause(cause))
    return failing.length
  }

  /** Fails the calls that wait now, and all that come later. */
  close(cause: Cause.Cause<E>): void {
    this.closed = cause
    this.failAll(cause)
  }

  /** The call that is next, taken out of its list. */
  private next(): Ticket<Permit, E> | undefined {
    for (;;) {
      const ticket = MutableList.take(this.urgent.length > 0 ? this.urgent : this.others)
      if (ticket === MutableList.Empty) return undefined
      if (ticket.isWaiting) return ticket
    }
  }

  private resign(ticket: Ticket<Permit, E>): void {
    ticket.isWaiting = false
    this.waiting--
    if (this.waiting === 0) this.wanted.closeUnsafe()
  }
}
