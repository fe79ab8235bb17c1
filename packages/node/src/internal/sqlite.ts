import { DatabaseSync } from "node:sqlite"
import * as FileName from "@live-response/core/FileName"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import type { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"

/** SQLite's own primary codes for what can go wrong. */
const code = { busy: 5, locked: 6, corrupt: 11, notADatabase: 26 } as const

/** An extended code, such as 261 (busy while the log is recovered), has its primary code in the lowest byte. */
const codeOf = (cause: unknown): number | undefined =>
  Predicate.hasProperty(cause, "errcode") && typeof cause.errcode === "number" ? cause.errcode & 0xff : undefined

/** Another program, or another connection of this one, holds the file. */
export const isBusy = (cause: unknown): boolean => codeOf(cause) === code.busy || codeOf(cause) === code.locked

/** The file is not one of SQLite's, or is damaged. */
export const isBroken = (cause: unknown): boolean =>
  codeOf(cause) === code.corrupt || codeOf(cause) === code.notADatabase

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** SQLite follows links when it opens its files, so that none of them may be one. */
const prepare = (directory: PrivateDirectory, name: string) =>
  Effect.andThen(
    Effect.forEach(FileName.ofDatabase(name), directory.info, { discard: true }),
    // Created for its owner alone before SQLite creates it for everybody.
    directory.prepare(name),
  )

/**
 * Opens a database until the scope ends. `timeout` is how long another program that is writing is waited for, in milliseconds:
 * nothing else runs here meanwhile.
 */
export const open = <E>(
  directory: PrivateDirectory,
  name: string,
  options: { readonly timeout: number; readonly onError: (cause: unknown) => E },
): Effect.Effect<DatabaseSync, E | StoreError, Scope.Scope> =>
  prepare(directory, name).pipe(
    Effect.flatMap((path) =>
      Effect.acquireRelease(
        Effect.try({ try: () => new DatabaseSync(path, { timeout: options.timeout }), catch: options.onError }),
        (database) => Effect.sync(() => database.close()),
      ),
    ),
    Effect.tap((database) => checkSchema(database, options.onError)),
  )

/**
 * A trigger or a view of somebody else's would run with each statement of ours, and one that does not end could not be
 * interrupted. Ours have none, so a file with one counts as none of ours.
 */
const checkSchema = <E>(database: DatabaseSync, onError: (cause: unknown) => E): Effect.Effect<void, E> =>
  Effect.try({
    try: () => database.prepare("SELECT 1 FROM sqlite_schema WHERE type IN ('trigger', 'view') LIMIT 1").get(),
    catch: onError,
  }).pipe(Effect.flatMap((found) => (found === undefined ? Effect.void : Effect.fail(onError(foreignSchema())))))

const foreignSchema = () =>
  Object.assign(new Error("it has triggers or views, which no file of ours has; remove it"), {
    errcode: code.notADatabase,
  })

/** All or nothing, and nobody else meanwhile. */
export const transaction = <A>(database: DatabaseSync, body: () => A): A => {
  database.exec("BEGIN IMMEDIATE")
  try {
    const result = body()
    database.exec("COMMIT")
    return result
  } finally {
    if (database.isTransaction) database.exec("ROLLBACK")
  }
}
