/**
 * Lets one program at a time use a directory of results.
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import type { DatabaseSync } from "node:sqlite"
import * as FileName from "@live-response/core/FileName"
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
import * as NodeUser from "./NodeUser.ts"

const decodeOwner = Schema.decodeUnknownSync(
  Schema.UndefinedOr(Schema.Struct({ pid: Schema.Int, host: Schema.String })),
)

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
    database.exec("CREATE TABLE IF NOT EXISTS owner (pid INTEGER, host TEXT)")
    database.exec("DELETE FROM owner")
    database.prepare("INSERT INTO owner VALUES (?, ?)").run(process.pid, hostname())
  })
  database.exec("BEGIN IMMEDIATE")
}

/**
 * Holds `<directory>/.lock` until the scope ends, then removes it. It fails with `InUse` if another process holds the lock,
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
        new StoreError({ path: directory.pathOf(name), problem: "Failed", detail: Sqlite.messageOf(cause) })
      const inode = Effect.map(
        directory.info(name),
        Option.flatMap(({ ino }) => ino),
      )

      const attempt = Effect.gen(function* () {
        const database = yield* Sqlite.open(directory, name, {
          timeout: 0,
          onError: (cause) => (Sqlite.isBusy(cause) ? inUse("another process") : failed(cause)),
        })
        const opened = yield* inode
        yield* Effect.try({
          try: () => take(database),
          catch: (cause) => (Sqlite.isBusy(cause) ? inUse(ownerOf(database)) : failed(cause)),
        })
        // Its former owner may have removed the file after it was opened here. Then it locks nothing.
        if (!Equal.equals(opened, yield* inode)) return false
        yield* Effect.addFinalizer(() => Effect.ignore(directory.remove(name)))
        return true
      })

      yield* Effect.repeat(attempt, { until: (isOurs) => isOurs })
    }),
  ).pipe(Layer.provide(NodeUser.layer))
