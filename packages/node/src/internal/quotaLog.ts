/** The logs of calls of an SQLite file, as a quota uses them. */
import type { DatabaseSync } from "node:sqlite"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { QuotaFull, type QuotaStoreError } from "@live-response/core/QuotaStoreError"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { self } from "./permitHolder.ts"
import { QuotaCounts } from "./quotaCounts.ts"
import * as QuotaDatabase from "./quotaDatabase.ts"
import * as QuotaRows from "./quotaRows.ts"
import * as QuotaStatements from "./quotaStatements.ts"
import * as Sqlite from "./sqlite.ts"

interface Store {
  readonly database: DatabaseSync
  readonly path: string
  readonly clock: Clock.Clock
  readonly statements: QuotaStatements.Statements
}

/** Opens the logs of a database. All that open the same name share what is counted. */
export const makeOpen = (database: DatabaseSync, path: string, clock: Clock.Clock) => {
  const store: Store = { database, path, clock, statements: QuotaStatements.prepare(database) }
  const logs = new Map<string, QuotaCounts>()

  return (options: QuotaStore.LogOptions): QuotaStore.CallLog => {
    const { name, windows } = options
    const keep = Math.max(QuotaRule.longest(windows), Duration.toMillis(QuotaStore.retention))
    store.statements.removeOldOfAll(clock.currentTimeMillisUnsafe() - keep)
    // What was removed of other logs would count for them until this program ends.
    for (const other of logs.values()) other.forget()
    const counts = logs.get(name) ?? new QuotaCounts(store.statements, name)
    logs.set(name, counts)
    counts.watch(windows, keep)
    return makeLog(store, counts, options)
  }
}

type Transaction = <A>(body: (now: number) => A) => Effect.Effect<A, QuotaStoreError>

/** The clock is read inside the transaction, so that the calls of other programs are not later. */
const transactionOf =
  ({ clock, database, path }: Store, counts: QuotaCounts): Transaction =>
  (body) =>
    Effect.try({
      try: () =>
        Sqlite.transaction(database, () => {
          const now = clock.currentTimeMillisUnsafe()
          counts.notice(now)
          return body(now)
        }),
      catch: (cause) => {
        counts.forget()
        return QuotaDatabase.errorAt(path)(cause)
      },
    })

/** The permit of a call that is in flight until its lease expires: then it was counted as answered, and may have left a window. */
const permitOf = (
  { statements }: Store,
  counts: QuotaCounts,
  transaction: Transaction,
  { expiresAt, id }: { readonly expiresAt: number; readonly id: number | bigint },
): QuotaStore.Permit => ({
  answered: transaction((now) => {
    statements.answer(id, now)
    if (now >= expiresAt) counts.forget()
  }),
  release: transaction((now) => {
    statements.remove(id)
    if (now >= expiresAt) counts.forget()
    else counts.add(-1)
  }),
})

/** Makes one log. */
const makeLog = (
  store: Store,
  counts: QuotaCounts,
  { lease, name, windows }: QuotaStore.LogOptions,
): QuotaStore.CallLog => {
  const { statements } = store
  const leaseMillis = QuotaRows.leaseOf(lease)
  const transaction = transactionOf(store, counts)

  const useOf = (now: number) => (window: QuotaRule.Window) => {
    const stampAt = (position: number) => statements.stampAt(name, now - Duration.toMillis(window.duration), position)
    return QuotaRule.windowUse(window, { now, used: counts.usedIn(window), stampAt })
  }

  const status = (now: number) => QuotaRule.statusOf(windows, windows.map(useOf(now)), counts.blockedUntil - now)

  const calls = (now: number): QuotaRule.Calls => {
    counts.look(now)
    return {
      now,
      inFlight: statements.inFlight(name),
      stamps: statements.stamps(name, now - QuotaRule.longest(windows)),
      blockedUntil: counts.blockedUntil,
    }
  }

  return {
    acquire: transaction((now) => {
      counts.look(now, windows)
      const wait = QuotaRule.delayOf(windows.map(useOf(now)), counts.blockedUntil - now)
      if (wait > 0) return Effect.fail(new QuotaFull({ retryAfter: Duration.millis(Math.ceil(wait)) }))
      counts.add(1)
      const id = statements.start(name, now, leaseMillis, self)
      return Effect.succeed(permitOf(store, counts, transaction, { id, expiresAt: now + leaseMillis }))
    }).pipe(Effect.flatten),
    throttled: (wait) =>
      transaction((now) => {
        const known = calls(now)
        const millis = QuotaRule.throttleWait(wait)
        if (now + millis > known.blockedUntil) statements.block(name, now, millis)
        for (const at of QuotaRule.inferredCalls(windows, known, millis)) statements.insertAnswer(name, at)
        counts.forget()
      }),
    status: transaction((now) => {
      counts.look(now)
      return status(now)
    }),
    calls: transaction(calls),
  }
}
