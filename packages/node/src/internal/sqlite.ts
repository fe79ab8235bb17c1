import { DatabaseSync } from "node:sqlite"
import * as FileName from "@live-response/core/FileName"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import type { StoreError } from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as SqliteIntegrity from "./sqliteIntegrity.ts"

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

export interface Options<E> {
  /** How long to wait for another program that is writing, in milliseconds. The wait blocks this whole program. */
  readonly timeout: number

  /** The statements that create all tables and indexes that the file may have. */
  readonly schema: ReadonlyArray<string>

  /** In bytes. A larger file is not one of this program's. */
  readonly largest: number

  readonly onError: (cause: unknown) => E

  /** Why a file can't be used, decided before SQLite reads anything but the file's header. */
  readonly refuse?: (database: DatabaseSync) => E | undefined
}

/** An error as SQLite has it for a file that is not one of this program's. */
export const foreign = (message: string) => Object.assign(new Error(message), { errcode: code.notADatabase })

/** SQLite follows links when it opens its files, so none of them may be a link. It reads all of a journal. */
const prepare = <E>(directory: PrivateDirectory, name: string, { largest, onError }: Options<E>) =>
  Effect.forEach(FileName.ofDatabase(name), directory.info).pipe(
    Effect.filterOrFail(
      (infos) => infos.every((info) => Option.isNone(info) || Number(info.value.size) <= largest),
      () => onError(foreign(`it is larger than ${largest} bytes`)),
    ),
    // Created for its owner alone before SQLite creates it for everybody.
    Effect.andThen(directory.prepare(name)),
  )

/** Opens a database until the scope ends, if it is one of this program's. Of another one nothing is run. */
export const open = <E>(
  directory: PrivateDirectory,
  name: string,
  options: Options<E>,
): Effect.Effect<DatabaseSync, E | StoreError, Scope.Scope> => {
  const attempt = <A>(body: () => A) => Effect.try({ try: body, catch: options.onError })
  return Effect.gen(function* () {
    const path = yield* prepare(directory, name, options)
    const database = yield* Effect.acquireRelease(
      attempt(() => new DatabaseSync(path, { timeout: options.timeout })),
      (database) => Effect.sync(() => database.close()),
    )
    const problem = yield* attempt(() => {
      database.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
      const refused = options.refuse?.(database)
      if (refused !== undefined || SqliteIntegrity.isOwn(database, options.schema)) return refused
      return options.onError(foreign("it has tables or code that no file of live-response has"))
    })
    return problem === undefined ? database : yield* Effect.fail(problem)
  })
}

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
