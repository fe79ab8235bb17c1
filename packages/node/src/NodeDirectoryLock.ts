/**
 * Lets one program at a time use a directory of results.
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import type { DatabaseSync } from "node:sqlite"
import * as FileName from "@live-response/core/FileName"
import { Platform } from "@live-response/core/Platform"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Sqlite from "./internal/sqlite.ts"
import * as SqliteIntegrity from "./internal/sqliteIntegrity.ts"
import * as NodePlatform from "./NodePlatform.ts"

const decodeOwner = Schema.decodeUnknownSync(
  Schema.UndefinedOr(Schema.Struct({ pid: Schema.Int, host: Schema.String })),
)

const table = "owner (pid INTEGER, host TEXT)"

/** In bytes: it has one row. */
const largestFile = 1024 * 1024

/** What is wrong with the file, and the next step. */
const detailOf = (cause: unknown): string =>
  Sqlite.isBroken(cause)
    ? `it is not a lock of live-response (${Sqlite.messageOf(cause)}); remove it and run the same command again`
    : `it can't be written (${Sqlite.messageOf(cause)}); check the disk and the limit on the size of files (ulimit -f), or choose another directory`

/** The process that holds the lock, as a message names it. It is unknown while that process is writing its name. */
const ownerOf = (database: DatabaseSync): string => {
  const read = Result.try(() => decodeOwner(database.prepare("SELECT pid, host FROM owner").get()))
  const owner = Result.getOrElse(read, () => undefined)
  return owner === undefined ? "another process" : `process ${owner.pid} on ${owner.host}`
}

/**
 * Stores this process as the owner, and takes the lock: the transaction stays open until the system ends it with the process.
 * Other processes can read the owner meanwhile.
 */
const take = (database: DatabaseSync): void => {
  Sqlite.transaction(database, () => {
    database.exec(`CREATE TABLE IF NOT EXISTS ${table}`)
    database.exec("DELETE FROM owner")
    database.prepare("INSERT INTO owner VALUES (?, ?)").run(process.pid, hostname())
  })
  database.exec("BEGIN IMMEDIATE")
}

/**
 * Holds `<directory>/.lock` until the scope ends, then removes it (on Windows, it stays). It fails with `InUse` if another process holds the lock,
 * and names that process.
 *
 * **Details**
 *
 * SQLite takes the lock from the operating system, which releases it when the process ends in any way. So a lock is never
 * stale.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: {
  readonly directory: string
}): Layer.Layer<never, StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const directory = yield* PrivateDirectory.open(options.directory)
      const name = FileName.single.lock
      const inUse = (detail: string) => new StoreError({ path: directory.path, problem: "InUse", detail })
      const failed = (cause: unknown) =>
        new StoreError({ path: directory.pathOf(name), problem: "Failed", detail: detailOf(cause) })
      const inode = Effect.map(
        directory.info(name),
        Option.flatMap(({ ino }) => ino),
      )

      const attempt = Effect.gen(function* () {
        const database = yield* Sqlite.open(directory, name, {
          timeout: 0,
          schema: [`CREATE TABLE ${table}`],
          largest: largestFile,
          onError: (cause) => (Sqlite.isBusy(cause) ? inUse("another process") : failed(cause)),
        })
        const opened = yield* inode
        const inTurn = <A>(body: () => A) =>
          Effect.try({
            try: body,
            catch: (cause) => (Sqlite.isBusy(cause) ? inUse(ownerOf(database)) : failed(cause)),
          })
        const damage = yield* inTurn(() => SqliteIntegrity.damageOf(database))
        if (damage !== undefined) return yield* failed(Sqlite.foreign(damage))
        yield* inTurn(() => take(database))
        // The previous owner may have removed the file after it was opened here. A lock on a removed file locks nothing.
        if (!Equal.equals(opened, yield* inode)) return false
        // SQLite has the file open until after this: where that forbids to remove it, it stays, and locks nothing.
        const { whileOpenElsewhere } = yield* Platform
        if (whileOpenElsewhere === undefined) yield* Effect.addFinalizer(() => Effect.ignore(directory.remove(name)))
        return true
      })

      yield* Effect.repeat(attempt, { until: (isOurs) => isOurs })
    }),
  ).pipe(Layer.provide(NodePlatform.layer))
