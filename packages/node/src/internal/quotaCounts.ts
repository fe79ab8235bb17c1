/** How many calls the windows of one log count, without counting them for each call. */
import type * as QuotaRule from "@live-response/core/QuotaRule"
import * as Duration from "effect/Duration"
import { isGone, self } from "./permitHolder.ts"
import type { Statements } from "./quotaStatements.ts"

/** What was counted, and when. */
interface Counted {
  /** The version of the file then: another program has written since where it differs. */
  readonly version: unknown
  /** Until when calls that left a window are subtracted. */
  at: number
  readonly blockedUntil: number
}

/**
 * While no other program writes to the file, the number of calls in a window changes by what this program does, and shrinks
 * as time passes. So the calls are counted once, then each permit adds one. What has left a window is subtracted only when
 * that window looks full: until then the number is too large at most, and never too small.
 *
 * Every method runs inside a transaction, at an instant that was read there.
 */
export class QuotaCounts {
  private readonly statements: Statements
  private readonly log: string
  /** How many calls each window counts, by its duration in milliseconds. */
  private readonly used = new Map<number, number>()
  private keep = 0
  private counted: Counted | undefined
  /** The instant of the last transaction. */
  private latest = 0

  constructor(statements: Statements, log: string) {
    this.statements = statements
    this.log = log
  }

  /** Counts these windows as well, and stores answers for `keep` at least. */
  watch(windows: ReadonlyArray<QuotaRule.Window>, keep: number): void {
    for (const { duration } of windows) this.used.set(Duration.toMillis(duration), 0)
    this.keep = Math.max(this.keep, keep)
    this.counted = undefined
  }

  usedIn({ duration }: QuotaRule.Window): number {
    return this.used.get(Duration.toMillis(duration)) ?? 0
  }

  get blockedUntil(): number {
    return this.counted?.blockedUntil ?? 0
  }

  /** Counts again at the next look, after a change that is not followed here. */
  forget(): void {
    this.counted = undefined
  }

  /** A clock that was set back brings calls into a window that had left it, and leaves others in the future. */
  notice(now: number): void {
    if (now < this.latest) this.forget()
    this.latest = now
  }

  /** This program started so many calls more. */
  add(calls: number): void {
    for (const [duration, used] of this.used) this.used.set(duration, used + calls)
  }

  /** Updates the numbers. For a permit that `windows` allow even by the numbers of an earlier look, those are enough. */
  look(now: number, windows: ReadonlyArray<QuotaRule.Window> = []): void {
    const { counted } = this
    const version = this.statements.version()
    if (counted === undefined || counted.version !== version) return this.count(now, version)
    if (windows.length > 0 && windows.every((window) => this.usedIn(window) < window.limit)) return
    if (this.settle(now)) return this.count(now, version)
    for (const [duration, used] of this.used) {
      const left = this.statements.answered(this.log, counted.at - duration, now - duration)
      this.used.set(duration, used - left)
    }
    counted.at = now
    this.statements.removeOld(this.log, now - this.keep)
  }

  /** Counts everything. */
  private count(now: number, version: unknown): void {
    const { log, statements } = this
    statements.setBack(log, now)
    this.settle(now)
    statements.removeOld(log, now - this.keep)
    const inFlight = statements.inFlight(log)
    for (const duration of this.used.keys()) {
      this.used.set(duration, inFlight + statements.answered(log, now - duration, now))
    }
    this.counted = { version, at: now, blockedUntil: statements.blockedUntil(log) }
  }

  /** Answers the permits whose lease has expired or whose program is gone. Returns whether there were any. */
  private settle(now: number): boolean {
    let hasSettled = false
    const unsettled = this.statements.unsettled(this.log, self, now)
    // A program may hold many permits.
    const gone = new Set(Array.from(new Set(unsettled.map(({ holder }) => holder))).filter(isGone))
    for (const { at, holder, id, lease } of unsettled) {
      const hasExpired = at + lease <= now
      if (!hasExpired && !gone.has(holder)) continue
      this.statements.answer(id, hasExpired ? at + lease : now)
      hasSettled = true
    }
    return hasSettled
  }
}
