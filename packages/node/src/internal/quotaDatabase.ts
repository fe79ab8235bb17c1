/** How the SQLite file with the logs of calls is opened, checked and upgraded. */
import type { DatabaseSync } from "node:sqlite"
import * as FileName from "@live-response/core/FileName"
import type * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import { Newer, QuotaStoreError, Unreachable, Unusable } from "@live-response/core/QuotaStoreError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as QuotaRows from "./quotaRows.ts"
import * as QuotaSchema from "./quotaSchema.ts"
import * as Sqlite from "./sqlite.ts"
import * as SqliteIntegrity from "./sqliteIntegrity.ts"

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
    const version = SqliteIntegrity.versionOf(database)
    if (version <= QuotaSchema.version) return undefined
    return new QuotaStoreError({
      store: path,
      reason: new Newer({ version, known: QuotaSchema.version }),
      advice: "upgrade this program, or choose another state directory with XDG_STATE_HOME",
    })
  }

/** Checks a file, and upgrades it. Returns what is wrong with it. */
const check = (database: DatabaseSync, path: string): Broken | QuotaStoreError | undefined =>
  Sqlite.transaction(database, () => {
    const newer = refuseNewer(path)(database)
    if (newer !== undefined) return newer
    const damage = SqliteIntegrity.damageOf(database)
    if (damage !== undefined) return new Broken({ description: `it is damaged: ${damage}` })
    if (SqliteIntegrity.versionOf(database) < QuotaSchema.version) database.exec(QuotaSchema.upgrade)
    const problem = QuotaRows.problemOf(database)
    return problem === undefined ? undefined : new Broken({ description: problem })
  })

/** Opens the file, or creates it. */
export const open = Effect.fnUntraced(function* (directory: PrivateDirectory.PrivateDirectory) {
  const name = FileName.single.quota
  const path = directory.pathOf(name)
  const database = yield* Sqlite.open<Broken | QuotaStoreError>(directory, name, {
    timeout: 250,
    schema: QuotaSchema.known,
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
