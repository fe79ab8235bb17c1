/** Checks that an SQLite file holds only what this program writes to it. */
import type { DatabaseSync } from "node:sqlite"
import * as Schema from "effect/Schema"

const decodeObjects = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ sql: Schema.NullOr(Schema.String) })))
const decodeVersion = Schema.decodeUnknownSync(Schema.Struct({ user_version: Schema.Int }))
const decodeVerdict = Schema.decodeUnknownSync(Schema.Struct({ quick_check: Schema.String }))

/** The version that a file's header has for its schema: 0 in a new file. */
export const versionOf = (database: DatabaseSync): number =>
  decodeVersion(database.prepare("PRAGMA user_version").get()).user_version

/**
 * Whether a file has only these tables and indexes, compared by the text of their statements. Anything else may hold code: a
 * trigger, a view, a virtual table, a constraint, a computed column, an index of an expression. That code would run with a
 * statement of this program or with a check of the file, and nothing could interrupt it.
 */
export const isOwn = (database: DatabaseSync, statements: ReadonlyArray<string>): boolean => {
  // The index of a primary key has no statement of its own.
  const objects = database.prepare(
    "SELECT substr(sql, 1, 1000) AS sql FROM sqlite_schema WHERE type <> 'index' OR name NOT LIKE 'sqlite\\_autoindex\\_%' ESCAPE '\\' LIMIT 100",
  )
  return decodeObjects(objects.all()).every(({ sql }) => sql !== null && statements.includes(sql))
}

/** What is damaged in a file whose schema is known to be this program's. */
export const damageOf = (database: DatabaseSync): string | undefined => {
  const { quick_check } = decodeVerdict(database.prepare("PRAGMA quick_check(1)").get())
  return quick_check === "ok" ? undefined : quick_check
}
