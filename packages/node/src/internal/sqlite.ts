import { DatabaseSync } from "node:sqlite"
import * as FileName from "@live-response/core/FileName"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import type { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** SQLite's primary result codes. */
const code = { busy: 5, locked: 6, corrupt: 11, notADatabase: 26 } as const

/** An extended code, such as 261 (busy while the log is recovered), has its primary code in the lowest byte. */
const codeOf = (cause: unknown): number | undefined =>
  Predicate.hasProperty(cause, "errcode") && typeof cause.errcode === "number" ? cause.errcode & 0xff : undefined

/** Whether another program, or another connection of this one, holds the file. */
export const isBusy = (cause: unknown): boolean => codeOf(cause) === code.busy || codeOf(cause) === code.locked

/** Whether the file is damaged, or is not an SQLite file. */
export const isBroken = (cause: unknown): boolean =>
  codeOf(cause) === code.corrupt || codeOf(cause) === code.notADatabase

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** SQLite follows links when it opens its files, so none of them may be a link. */
const prepare = (directory: PrivateDirectory, name: string) =>
  Effect.andThen(
    Effect.forEach(FileName.ofDatabase(name), directory.info, { discard: true }),
    // Creates the file for its owner alone, before SQLite would create it for everybody.
    directory.prepare(name),
  )

export interface Options<E> {
  /** How long to wait for another program that is writing, in milliseconds. The wait blocks this whole program. */
  readonly timeout: number

  readonly onError: (cause: unknown) => E

  /** Why a file can't be used, decided before SQLite reads anything but the file's header. */
  readonly refuse?: (database: DatabaseSync) => E | undefined
}

/** Opens a database until the scope ends. */
export const open = <E>(
  directory: PrivateDirectory,
  name: string,
  { onError, refuse, timeout }: Options<E>,
): Effect.Effect<DatabaseSync, E | StoreError, Scope.Scope> => {
  const check = (problemOf: (database: DatabaseSync) => E | undefined) => (database: DatabaseSync) =>
    Effect.try({ try: () => problemOf(database), catch: onError }).pipe(
      Effect.flatMap((problem) => (problem === undefined ? Effect.void : Effect.fail(problem))),
    )
  return prepare(directory, name).pipe(
    Effect.flatMap((path) =>
      Effect.acquireRelease(
        Effect.try({ try: () => new DatabaseSync(path, { timeout }), catch: onError }),
        (database) => Effect.sync(() => database.close()),
      ),
    ),
    Effect.tap(check((database) => refuse?.(database))),
    Effect.tap(check((database) => (hasForeignSchema(database) ? onError(foreignSchema()) : undefined))),
  )
}

const decodeVersion = Schema.decodeUnknownSync(Schema.Struct({ user_version: Schema.Int }))

/** The version that the file's header has for its schema: 0 in a new file. */
export const schemaVersion = (database: DatabaseSync): number =>
  decodeVersion(database.prepare("PRAGMA user_version").get()).user_version

/**
 * Whether a file has triggers or views, which no file of this library has. Those of somebody else would run with each
 * statement, and one that does not end could not be interrupted.
 */
const hasForeignSchema = (database: DatabaseSync): boolean =>
  database.prepare("SELECT 1 FROM sqlite_schema WHERE type IN ('trigger', 'view') LIMIT 1").get() !== undefined

const foreignSchema = () =>
  Object.assign(new Error("it has triggers or views, which no file of live-response has; remove it"), {
    errcode: code.notADatabase,
  })

/** Runs all of `body` or nothing of it, while no other program writes. */
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
