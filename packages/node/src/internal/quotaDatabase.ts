/** The SQLite file with the logs of calls: its schema, and how it is opened. */
import type { DatabaseSync } from "node:sqlite"
import * as FileName from "@live-response/core/FileName"
import type * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import { Newer, QuotaStoreError, Unreachable, Unusable } from "@live-response/core/QuotaStoreError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as QuotaRows from "./quotaRows.ts"
import * as Sqlite from "./sqlite.ts"
import * as SqliteCheck from "./sqliteCheck.ts"

/** The version of the schema, in the file's `user_version`. A file of a newer version is refused, an older one upgraded. */
const schemaVersion = 2

/**
 * A row of `calls` is an answer that arrived `at`, or, with a `holder`, a call in flight since `at`, for `lease` at most. A
 * row of `blocks` says that the server wants no calls for `wait` from `at` on. All in milliseconds since 1970.
 *
 * Each index has only the rows that its queries read: the calls in flight are few however many answers are stored.
 */
const schema = [
  "CREATE TABLE calls (id INTEGER PRIMARY KEY, log TEXT NOT NULL, at REAL NOT NULL, lease REAL NOT NULL, holder TEXT) STRICT",
  "CREATE TABLE blocks (log TEXT PRIMARY KEY, at REAL NOT NULL, wait REAL NOT NULL) STRICT",
  "CREATE INDEX calls_answered ON calls (log, at) WHERE holder IS NULL",
  "CREATE INDEX calls_in_flight ON calls (log) WHERE holder IS NOT NULL",
]

/** What files of version 1 have instead of the indexes. */
const formerIndex = "CREATE INDEX calls_by_log ON calls (log, at)"

/**
 * Makes a new file, or one of version 1, into one of this version. The tables are the same, so a program of version 1 that
 * has the file open continues with it.
 */
const upgrade = [
  ...schema.map((statement) => statement.replace(/^CREATE (TABLE|INDEX)/, "CREATE $1 IF NOT EXISTS")),
  "DROP INDEX IF EXISTS calls_by_log",
  `PRAGMA user_version = ${schemaVersion}`,
].join(";")

/** In bytes: a day of ten thousand calls a minute. */
const largestFile = 1024 * 1024 * 1024

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

/** Checks a file, and upgrades it. Returns what is wrong with it. */
const check = (database: DatabaseSync, path: string): Broken | QuotaStoreError | undefined =>
  Sqlite.transaction(database, () => {
    const newer = refuseNewer(path)(database)
    if (newer !== undefined) return newer
    const damage = SqliteCheck.damageOf(database)
    if (damage !== undefined) return new Broken({ description: `it is damaged: ${damage}` })
    if (SqliteCheck.versionOf(database) < schemaVersion) database.exec(upgrade)
    const problem = QuotaRows.problemOf(database)
    return problem === undefined ? undefined : new Broken({ description: problem })
  })

/** Opens the file, or creates it. */
export const open = Effect.fnUntraced(function* (directory: PrivateDirectory.PrivateDirectory) {
  const name = FileName.single.quota
  const path = directory.pathOf(name)
  const database = yield* Sqlite.open<Broken | QuotaStoreError>(directory, name, {
    timeout: 250,
    schema: [...schema, formerIndex],
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
