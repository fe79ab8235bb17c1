/**
 * The schema of the database, as versioned migrations that only go forward.
 *
 * All of it is in PostgreSQL's schema `live_response`. Its owner migrates; runners sign in with a role that may read and write
 * rows and change nothing else.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { Database } from "./Database.ts"
import { DatabaseError, NewerSchema } from "./DatabaseError.ts"
import * as Engine from "./internal/engine.ts"
import * as Grants from "./internal/grants.ts"
import * as Schema from "./internal/schema.ts"

/**
 * One step of the schema. `version` is one more than that of the step before it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Migration extends Schema.Migration {}

/**
 * Every step, in order. A step that was released never changes.
 *
 * @since 0.1.0
 * @category constants
 */
export const migrations: ReadonlyArray<Migration> = Schema.migrations

/**
 * The version that this release needs.
 *
 * @since 0.1.0
 * @category constants
 */
export const current: number = Schema.current

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The role that runners sign in with: it is granted what they need. Roles with rights for all tables keep them for new tables. */
  readonly runtimeRole?: string | undefined
}

/** Until the transaction ends: of two programs that migrate, one waits for the other and finds nothing to do. */
const lock = [
  "set local statement_timeout = 0",
  "select pg_advisory_xact_lock(hashtextextended('live_response migrations', 0))",
]

const prepare = [
  "create schema if not exists live_response",
  `create table if not exists live_response.migrations (
    version int primary key, name text not null, at timestamptz not null default clock_timestamp())`,
]

const runAll = (sql: SqlClient, statements: ReadonlyArray<string>) =>
  Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })

/** The steps that were taken, or the version of a schema that is newer. */
const migrateWith = Effect.fnUntraced(function* (sql: SqlClient, { runtimeRole }: Options) {
  yield* runAll(sql, lock)
  const version = yield* Schema.versionOf(sql)
  if (version > current) return version
  const roles = yield* Grants.existing(sql)
  yield* runAll(sql, prepare)
  const steps = migrations.slice(version)
  for (const { name, statements, version } of steps) {
    yield* runAll(sql, statements)
    yield* sql`insert into live_response.migrations (version, name) values (${String(version)}::int, ${name})`
  }
  yield* Engine.migrate(sql)
  const grants = runtimeRole === undefined ? roles : [...roles, Grants.ofRunners(runtimeRole)]
  yield* runAll(sql, grants.flatMap(Grants.statements))
  return steps
})

const newer = (database: string, version: number) =>
  new DatabaseError({ database, reason: new NewerSchema({ version, needed: current }) })

/**
 * The steps that {@link migrate} would take now: none if there is nothing to do. It changes nothing.
 *
 * @since 0.1.0
 * @category constructors
 */
export const pending: Effect.Effect<ReadonlyArray<Migration>, DatabaseError, Database> = Effect.gen(function* () {
  const { name, query } = yield* Database
  const version = yield* query(Schema.versionOf)
  return version > current ? yield* newer(name, version) : migrations.slice(version)
})

/**
 * Brings the schema to `current`, and returns the steps that it took: none if there was nothing to do.
 *
 * **When to use**
 *
 * Before the runners of a new release start, with the role that owns the schema. It needs `Database.layerUnchecked`, because
 * `Database.layer` accepts a current schema only.
 *
 * **Details**
 *
 * All steps are one transaction, so a step that fails leaves the schema as it was. Programs that migrate at the same time wait
 * for each other. A schema that is newer than `current` stays as it is.
 *
 * @example
 * ```ts
 * import * as Database from "@live-response/cluster/Database"
 * import * as Migrations from "@live-response/cluster/Migrations"
 * import * as Effect from "effect/Effect"
 * import * as Redacted from "effect/Redacted"
 *
 * const url = Redacted.make("postgres://owner:secret@db.example/live_response?sslmode=require")
 *
 * export const migrate = Migrations.migrate({ runtimeRole: "runner" }).pipe(
 *   Effect.provide(Database.layerUnchecked({ url })),
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const migrate = Effect.fn("Migrations.migrate")(function* (
  options: Options = {},
): Effect.fn.Return<ReadonlyArray<Migration>, DatabaseError, Database> {
  const { name, query } = yield* Database
  const taken = yield* query((sql) => sql.withTransaction(migrateWith(sql, options)), { timeout: Duration.infinity })
  if (typeof taken !== "number") return taken
  return yield* newer(name, taken)
})
