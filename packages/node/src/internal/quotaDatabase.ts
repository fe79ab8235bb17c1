/** The logs of calls in an SQLite file: its schema, and the operations on one log. */
import { hostname } from "node:os"
import type { DatabaseSync } from "node:sqlite"
import * as FileName from "@live-response/core/FileName"
import type * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { Newer, QuotaFull, QuotaStoreError, Unreachable, Unusable } from "@live-response/core/QuotaStoreError"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as QuotaRows from "./quotaRows.ts"
import * as Sqlite from "./sqlite.ts"
import * as SqliteCheck from "./sqliteCheck.ts"

/** The version of the schema, in the file's `user_version`. A file of a newer version is refused. */
const schemaVersion = 1

/**
 * A row of `calls` is an answer that arrived `at`, or, with a `holder`, a call in flight since `at`, for `lease` at most. A
 * row of `blocks` says that the server wants no calls for `wait` from `at` on. All in milliseconds since 1970.
 */
const schema = [
  "CREATE TABLE calls (id INTEGER PRIMARY KEY, log TEXT NOT NULL, at REAL NOT NULL, lease REAL NOT NULL, holder TEXT) STRICT",
  "CREATE INDEX calls_by_log ON calls (log, at)",
  "CREATE TABLE blocks (log TEXT PRIMARY KEY, at REAL NOT NULL, wait REAL NOT NULL) STRICT",
]

/** In bytes: a day of ten thousand calls a minute. */
const largestFile = 1024 * 1024 * 1024

const decodeStamps = Schema.decodeUnknownSync(
  Schema.Struct({ stamps: Schema.fromJsonString(Schema.Array(Schema.Finite)) }),
)
const decodeInFlight = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ id: Schema.Int, at: Schema.Finite, lease: Schema.Finite, holder: Schema.String })),
)
const decodeBlock = Schema.decodeUnknownSync(Schema.UndefinedOr(Schema.Struct({ until: Schema.Finite })))

/** The error of a file at `path` that SQLite can't use. */
export const errorAt =
  (path: string) =>
  (cause: unknown): QuotaStoreError => {
    const description = Sqlite.messageOf(cause)
    return Sqlite.isBusy(cause)
      ? new QuotaStoreError({
          store: path,
          reason: new Unreachable({ description }),
          advice: "another program holds it",
        })
      : new QuotaStoreError({
          store: path,
          reason: new Unusable({ description }),
          advice: "free some space, or name another directory for it with XDG_STATE_HOME",
        })
  }

/** The file is damaged, or is not a log of calls. */
export class Broken extends Schema.TaggedError<Broken>("@live-response/node/internal/quotaDatabase/Broken")("Broken", {
  description: Schema.String,
}) {}

/** The error of a file that could not be opened. */
const brokenOr =
  (path: string) =>
  (cause: unknown): Broken | QuotaStoreError =>
    Sqlite.isBroken(cause) ? new Broken({ description: Sqlite.messageOf(cause) }) : errorAt(path)(cause)

const refuseNewer =
  (path: string) =>
  (database: DatabaseSync): QuotaStoreError | undefined => {
    const version = SqliteCheck.versionOf(database)
    if (version <= schemaVersion) return undefined
    return new QuotaStoreError({
      store: path,
      reason: new Newer({ version, known: schemaVersion }),
      advice: "upgrade this program, or choose another state directory with XDG_STATE_HOME",
    })
  }

/** Checks a file, and creates the tables of a new one. Returns what is wrong with it. */
const check = (database: DatabaseSync, path: string): Broken | QuotaStoreError | undefined =>
  Sqlite.transaction(database, () => {
    const newer = refuseNewer(path)(database)
    if (newer !== undefined) return newer
    const damage = SqliteCheck.damageOf(database)
    if (damage !== undefined) return new Broken({ description: `it is damaged: ${damage}` })
    if (SqliteCheck.versionOf(database) === 0) {
      database.exec([...schema, `PRAGMA user_version = ${schemaVersion}`].join(";"))
    }
    const problem = QuotaRows.problemOf(database)
    return problem === undefined ? undefined : new Broken({ description: problem })
  })

/** Opens the file, or creates it. */
export const open = Effect.fnUntraced(function* (directory: PrivateDirectory.PrivateDirectory) {
  const name = FileName.single.quota
  const path = directory.pathOf(name)
  const database = yield* Sqlite.open<Broken | QuotaStoreError>(directory, name, {
    timeout: 250,
    schema,
    largest: largestFile,
    onError: brokenOr(path),
    refuse: refuseNewer(path),
  })
  const problem = yield* Effect.try({
    try: () => {
      const problem = check(database, path)
      // A crash at any instant leaves the file whole. A file that is refused is not written to.
      if (problem === undefined) database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
      return problem
    },
    catch: brokenOr(path),
  })
  if (problem !== undefined) return yield* problem
  return database
})

/** Whether the program that holds a permit is gone. That is only known of programs on this machine. */
const isGone = (holder: string): boolean => {
  const [pid = "", host] = holder.split("@")
  if (host !== hostname() || Number(pid) === process.pid) return false
  const alive = Result.try(() => process.kill(Number(pid), 0))
  return Result.isFailure(alive) && Predicate.hasProperty(alive.failure, "code") && alive.failure.code === "ESRCH"
}

/** The statements of all logs. */
const prepare = (database: DatabaseSync) => {
  const sql = (text: string) => database.prepare(text)
  return {
    setCallsBack: sql("UPDATE calls SET at = :now WHERE log = :name AND at > :now"),
    setBlocksBack: sql("UPDATE blocks SET at = :now WHERE log = :name AND at > :now"),
    inFlight: sql("SELECT id, at, lease, holder FROM calls WHERE log = ? AND holder IS NOT NULL"),
    answer: sql("UPDATE calls SET at = ?, lease = 0, holder = NULL WHERE id = ?"),
    stamps: sql(
      "SELECT json_group_array(at) AS stamps FROM (SELECT at FROM calls WHERE log = ? AND holder IS NULL AND at > ? ORDER BY at)",
    ),
    block: sql("SELECT at + wait AS until FROM blocks WHERE log = ?"),
    setBlock: sql("INSERT OR REPLACE INTO blocks (log, at, wait) VALUES (?, ?, ?)"),
    insert: sql("INSERT INTO calls (log, at, lease, holder) VALUES (?, ?, ?, ?)"),
    remove: sql("DELETE FROM calls WHERE id = ?"),
    removeOld: sql("DELETE FROM calls WHERE at + lease <= ?"),
  }
}

/** Answers the permits whose lease has expired or whose program is gone. Returns how many calls are in flight. */
const settleInFlight = ({ answer, inFlight }: ReturnType<typeof prepare>, name: string, now: number): number => {
  let count = 0
  for (const { at, holder, id, lease } of decodeInFlight(inFlight.all(name))) {
    if (at + lease <= now) answer.run(at + lease, id)
    else if (isGone(holder)) answer.run(now, id)
    else count++
  }
  return count
}

/** Makes one log of a database. */
export const makeLog = (
  database: DatabaseSync,
  path: string,
  clock: Clock.Clock,
  { lease, name, windows }: QuotaStore.LogOptions,
): QuotaStore.CallLog => {
  const span = QuotaRule.longest(windows)
  const keep = Math.max(span, Duration.toMillis(QuotaStore.retention))
  const statements = prepare(database)
  const { answer, block, insert, remove, removeOld, setBlock, setBlocksBack, setCallsBack, stamps } = statements

  // Removes old calls of all logs, and only here, because the statement reads every row.
  removeOld.run(clock.currentTimeMillisUnsafe() - keep)

  const current = (): QuotaRule.Calls => {
    // Read inside the transaction, so that the calls of other programs are not later than it.
    const now = clock.currentTimeMillisUnsafe()
    // Where the clock was set back, no call is later than now.
    setCallsBack.run({ name, now })
    setBlocksBack.run({ name, now })
    return {
      now,
      inFlight: settleInFlight(statements, name, now),
      stamps: decodeStamps(stamps.get(name, now - span)).stamps,
      blockedUntil: decodeBlock(block.get(name))?.until ?? 0,
    }
  }

  const transaction = <A>(body: (calls: QuotaRule.Calls) => A): Effect.Effect<A, QuotaStoreError> =>
    Effect.try({ try: () => Sqlite.transaction(database, () => body(current())), catch: errorAt(path) })

  const permitOf = (id: number | bigint): QuotaStore.Permit => ({
    answered: Effect.asVoid(transaction(({ now }) => answer.run(now, id))),
    release: Effect.asVoid(transaction(() => remove.run(id))),
  })

  return {
    acquire: transaction((calls) => {
      const wait = QuotaRule.delay(windows, calls)
      if (wait > 0) return Effect.fail(new QuotaFull({ retryAfter: Duration.millis(Math.ceil(wait)) }))
      const holder = `${process.pid}@${hostname()}`
      return Effect.succeed(permitOf(insert.run(name, calls.now, QuotaRows.leaseOf(lease), holder).lastInsertRowid))
    }).pipe(Effect.flatten),
    throttled: (wait) =>
      transaction((calls) => {
        const millis = QuotaRule.throttleWait(wait)
        if (calls.now + millis > calls.blockedUntil) setBlock.run(name, calls.now, millis)
        for (const at of QuotaRule.inferredCalls(windows, calls, millis)) insert.run(name, at, 0, null)
      }),
    calls: transaction((calls) => calls),
  }
}
