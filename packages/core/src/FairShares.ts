/**
 * Units that several users share, such as transfers or bytes.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * @since 0.1.0
 * @category options
 */
export interface Limits {
  /** How many units all users hold at once. A request for more is served alone. */
  readonly total: number

  /** How many of them one user holds at once. A request for more is served if the user holds nothing. */
  readonly perUser: number
}

interface Request {
  readonly amount: number
  readonly granted: Deferred.Deferred<void>
}

interface User {
  held: number
  /** The number of its last grant: of users that hold the same, the one that was served longest ago is next. */
  served: number
  readonly waiting: Array<Request>
}

/**
 * Units that several users share.
 *
 * @since 0.1.0
 * @category models
 */
export interface FairShares {
  /** Waits for this many units, and holds them until the scope closes. */
  readonly take: (user: string, amount: number) => Effect.Effect<void, never, Scope.Scope>

  /** Holds more units at once, until the scope closes: for what has happened already. Others wait until there is space again. */
  readonly add: (user: string, amount: number) => Effect.Effect<void, never, Scope.Scope>

  /** How many units are held, and how many requests wait. */
  readonly status: () => { readonly used: number; readonly waiting: number }
}

/** Who holds how much, and who is next. */
class Ledger {
  /** Those that hold units or wait for some. */
  private readonly users = new Map<string, User>()
  private grants = 0
  private readonly limits: Limits
  used = 0

  constructor(limits: Limits) {
    this.limits = limits
  }

  private userOf(name: string): User {
    const user = this.users.get(name) ?? { held: 0, served: 0, waiting: [] }
    this.users.set(name, user)
    return user
  }

  private hold(user: User, amount: number) {
    user.held += amount
    this.used += amount
  }

  private mayTake({ held, waiting: [first] }: User): boolean {
    return first !== undefined && (held === 0 || held + first.amount <= this.limits.perUser)
  }

  private next(): User | undefined {
    let best: User | undefined
    for (const user of this.users.values()) {
      if (this.mayTake(user) && (best === undefined || isBefore(user, best))) best = user
    }
    return best
  }

  private serve() {
    for (;;) {
      const user = this.next()
      const first = user?.waiting[0]
      if (user === undefined || first === undefined) return
      if (this.used > 0 && this.used + first.amount > this.limits.total) return
      user.waiting.shift()
      user.served = ++this.grants
      this.hold(user, first.amount)
      Deferred.doneUnsafe(first.granted, Effect.void)
    }
  }

  add(name: string, amount: number) {
    this.hold(this.userOf(name), amount)
  }

  request(name: string, amount: number): Request {
    const request = { amount, granted: Deferred.makeUnsafe<void>() }
    this.userOf(name).waiting.push(request)
    this.serve()
    return request
  }

  release(name: string, amount: number) {
    const user = this.userOf(name)
    this.hold(user, -amount)
    this.serve()
    this.forget(name, user)
  }

  /** It may have been served in the moment of the interruption. */
  withdraw(name: string, request: Request) {
    const user = this.userOf(name)
    const position = user.waiting.indexOf(request)
    if (position === -1) return this.release(name, request.amount)
    user.waiting.splice(position, 1)
    this.serve()
    this.forget(name, user)
  }

  private forget(name: string, { held, waiting }: User) {
    if (held === 0 && waiting.length === 0) this.users.delete(name)
  }

  waiting(): number {
    return Array.from(this.users.values(), ({ waiting }) => waiting.length).reduce((sum, count) => sum + count, 0)
  }
}

const isBefore = (one: User, other: User): boolean =>
  one.held === other.held ? one.served < other.served : one.held < other.held

/**
 * Shares units among users.
 *
 * **Details**
 *
 * Of the users that wait, the one that holds the least is served first, and among equals the one that was served longest ago. Nobody
 * passes it, so that a large request is served although small ones keep coming.
 *
 * @example
 * ```ts
 * import * as FairShares from "@live-response/core/FairShares"
 * import * as Effect from "effect/Effect"
 *
 * const shares = FairShares.make({ total: 16, perUser: 4 })
 *
 * export const withShare = <A, E, R>(tenant: string, use: Effect.Effect<A, E, R>) =>
 *   Effect.scoped(Effect.andThen(shares.take(tenant, 1), use))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (limits: Limits): FairShares => {
  const ledger = new Ledger(limits)

  const wait = (name: string, amount: number) =>
    Effect.suspend(() => {
      const request = ledger.request(name, amount)
      return Effect.interruptible(Deferred.await(request.granted)).pipe(
        Effect.onError(() => Effect.sync(() => ledger.withdraw(name, request))),
      )
    })

  const releasing = (name: string, amount: number) => () => Effect.sync(() => ledger.release(name, amount))

  return {
    take: (name, amount) => Effect.acquireRelease(wait(name, amount), releasing(name, amount)),
    add: (name, amount) =>
      Effect.acquireRelease(
        Effect.sync(() => ledger.add(name, amount)),
        releasing(name, amount),
      ),
    status: () => ({ used: ledger.used, waiting: ledger.waiting() }),
  }
}
