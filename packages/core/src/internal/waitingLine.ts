/** The calls that wait for a permit: which one is next, and which one owns a permit that was granted. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as MutableList from "effect/MutableList"

/** One waiting call. `granted` completes with the permit, which the call owns from then on, or fails. */
export interface Ticket<Permit, E> {
  readonly granted: Deferred.Deferred<Permit, E>
  permit: Permit | undefined
  isWaiting: boolean
}

/**
 * Every method is one synchronous step, so no interruption and no other fiber comes between a decision and its effects.
 * Each step is complete before a waiting call resumes, because that call may enter again at once.
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

  /** Queues a call last, or last among the urgent ones. In a closed line it fails at once. */
  enter(isUrgent: boolean): Ticket<Permit, E> {
    const ticket: Ticket<Permit, E> = { granted: Deferred.makeUnsafe(), permit: undefined, isWaiting: true }
    if (this.closed !== undefined) {
      ticket.isWaiting = false
      Deferred.doneUnsafe(ticket.granted, Exit.failCause(this.closed))
      return ticket
    }
    MutableList.append(isUrgent ? this.urgent : this.others, ticket)
    this.waiting++
    this.wanted.openUnsafe()
    return ticket
  }

  /** Removes an interrupted call. Returns the permit that it owned by then, once: the caller passes it on. */
  leave(ticket: Ticket<Permit, E>): Permit | undefined {
    if (ticket.isWaiting) this.settle(ticket)
    const { permit } = ticket
    ticket.permit = undefined
    return permit
  }

  /** Grants the permit to the next call. Returns whether there was one. */
  grant(permit: Permit): boolean {
    const ticket = this.next()
    if (ticket === undefined) return false
    this.settle(ticket)
    ticket.permit = permit
    Deferred.doneUnsafe(ticket.granted, Exit.succeed(permit))
    return true
  }

  /** Fails the calls that wait now. */
  failAll(cause: Cause.Cause<E>): void {
    const failing: Array<Ticket<Permit, E>> = []
    for (let ticket = this.next(); ticket !== undefined; ticket = this.next()) {
      this.settle(ticket)
      failing.push(ticket)
    }
    for (const { granted } of failing) Deferred.doneUnsafe(granted, Exit.failCause(cause))
  }

  /** Fails the calls that wait now, and every later one. */
  close(cause: Cause.Cause<E>): void {
    this.closed = cause
    this.failAll(cause)
  }

  /** Takes the next waiting call out of its list. */
  private next(): Ticket<Permit, E> | undefined {
    for (;;) {
      const ticket = MutableList.take(this.urgent.length > 0 ? this.urgent : this.others)
      if (ticket === MutableList.Empty) return undefined
      if (ticket.isWaiting) return ticket
    }
  }

  /** Counts a call as no longer waiting. */
  private settle(ticket: Ticket<Permit, E>): void {
    ticket.isWaiting = false
    this.waiting--
    if (this.waiting === 0) this.wanted.closeUnsafe()
  }
}
