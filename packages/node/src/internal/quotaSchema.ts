/** The tables of the SQLite file with the logs of calls. */

/** The version of the schema, in the file's `user_version`. A file of a newer version is refused, an older one upgraded. */
export const version = 2

/**
 * A row of `calls` is an answer that arrived `at`, or, with a `holder`, a call in flight since `at`, for `lease` at most. A
 * row of `blocks` says that the server wants no calls for `wait` from `at` on. All in milliseconds since 1970.
 *
 * Each index has only the rows that its queries read: the calls in flight are few however many answers are stored.
 */
const current = [
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
export const upgrade = [
  ...current.map((statement) => statement.replace(/^CREATE (TABLE|INDEX)/, "CREATE $1 IF NOT EXISTS")),
  "DROP INDEX IF EXISTS calls_by_log",
  `PRAGMA user_version = ${version}`,
].join(";")

/** All that a file of this program may have in it. */
export const known = [...current, formerIndex]
