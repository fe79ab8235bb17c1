/** The statements on the calls of a quota's log. Each finds its rows by an index, however many the file has. */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import * as Schema from "effect/Schema"

const decodeInFlight = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ id: Schema.Int, at: Schema.Finite, lease: Schema.Finite, holder: Schema.String })),
)
const decodeCount = Schema.decodeUnknownSync(Schema.Struct({ calls: Schema.Int }))
const decodeStamp = Schema.decodeUnknownSync(Schema.UndefinedOr(Schema.Struct({ at: Schema.Finite })))
const decodeBlock = Schema.decodeUnknownSync(Schema.UndefinedOr(Schema.Struct({ until: Schema.Finite })))
const decodeStamps = Schema.decodeUnknownSync(
  Schema.Struct({ stamps: Schema.fromJsonString(Schema.Array(Schema.Finite)) }),
)

type Prepare = (text: string) => StatementSync

const reading = (sql: Prepare) => {
  const version = sql("PRAGMA data_version")
  const unsettled = sql(
    "SELECT id, at, lease, holder FROM calls WHERE log = ? AND holder IS NOT NULL AND (holder <> ? OR at + lease <= ?)",
  )
  const inFlight = sql("SELECT count(*) AS calls FROM calls WHERE log = ? AND holder IS NOT NULL")
  const answered = sql("SELECT count(*) AS calls FROM calls WHERE log = ? AND holder IS NULL AND at > ? AND at <= ?")
  const stampAt = sql("SELECT at FROM calls WHERE log = ? AND holder IS NULL AND at > ? ORDER BY at LIMIT 1 OFFSET ?")
  const stamps = sql(
    "SELECT json_group_array(at) AS stamps FROM (SELECT at FROM calls WHERE log = ? AND holder IS NULL AND at > ? ORDER BY at)",
  )
  const block = sql("SELECT at + wait AS until FROM blocks WHERE log = ?")

  return {
    /** Changes when another connection has changed the file. */
    version: () => version.get()?.data_version,

    /** The calls in flight of other holders, and those whose lease has expired. */
    unsettled: (log: string, holder: string, now: number) => decodeInFlight(unsettled.all(log, holder, now)),

    inFlight: (log: string): number => decodeCount(inFlight.get(log)).calls,

    /** How many answers arrived after an instant, until another one. */
    answered: (log: string, after: number, until: number): number => decodeCount(answered.get(log, after, until)).calls,

    /** The instant of the answer at this position after an instant. */
    stampAt: (log: string, after: number, position: number): number | undefined =>
      decodeStamp(stampAt.get(log, after, position))?.at,

    stamps: (log: string, after: number): ReadonlyArray<number> => decodeStamps(stamps.get(log, after)).stamps,

    blockedUntil: (log: string): number => decodeBlock(block.get(log))?.until ?? 0,
  }
}

const writing = (sql: Prepare) => {
  const setBack = [
    sql("UPDATE calls SET at = :now WHERE log = :name AND holder IS NULL AND at > :now"),
    sql("UPDATE calls SET at = :now WHERE log = :name AND holder IS NOT NULL AND at > :now"),
    sql("UPDATE blocks SET at = :now WHERE log = :name AND at > :now"),
  ]
  const setBlock = sql("INSERT OR REPLACE INTO blocks (log, at, wait) VALUES (?, ?, ?)")
  const insert = sql("INSERT INTO calls (log, at, lease, holder) VALUES (?, ?, ?, ?)")
  const answer = sql("UPDATE calls SET at = ?, lease = 0, holder = NULL WHERE id = ?")
  const remove = sql("DELETE FROM calls WHERE id = ?")
  const removeOld = sql("DELETE FROM calls WHERE log = ? AND holder IS NULL AND at <= ?")
  const removeOldOfAll = sql("DELETE FROM calls WHERE at + lease <= ?")

  return {
    /** Where the clock was set back, no call is later than now. */
    setBack: (log: string, now: number) => {
      for (const statement of setBack) statement.run({ name: log, now })
    },

    block: (log: string, now: number, wait: number) => setBlock.run(log, now, wait),

    /** Returns the call's id. */
    start: (log: string, now: number, lease: number, holder: string) =>
      insert.run(log, now, lease, holder).lastInsertRowid,
    answer: (id: number | bigint, now: number) => answer.run(now, id),
    insertAnswer: (log: string, at: number) => insert.run(log, at, 0, null),
    remove: (id: number | bigint) => remove.run(id),
    removeOld: (log: string, until: number) => removeOld.run(log, until),

    /** Of all logs. It reads every row, so it runs when a log is opened and not for a call. */
    removeOldOfAll: (until: number) => removeOldOfAll.run(until),
  }
}

/** Prepares the statements, once for all logs of a database. */
export const prepare = (database: DatabaseSync) => {
  const sql: Prepare = (text) => database.prepare(text)
  return { ...reading(sql), ...writing(sql) }
}

export type Statements = ReturnType<typeof prepare>
