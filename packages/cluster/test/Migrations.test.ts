import { assert, layer as shared } from "@effect/vitest"
import * as Database from "@live-response/cluster/Database"
import { DatabaseError } from "@live-response/cluster/DatabaseError"
import * as Migrations from "@live-response/cluster/Migrations"
import * as Postgres from "@live-response/cluster/testing/PostgresServer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"

/** Opens the database, uses it, and closes it. */
const within = <A, E1, E2>(
  layer: Layer.Layer<Database.Database, E1>,
  use: (database: Database.Service) => Effect.Effect<A, E2>,
) => Effect.flatMap(Database.Database, use).pipe(Effect.provide(layer, { local: true }))

let databases = 0

/** A database of the owner without a schema. */
const emptyDatabase = Effect.gen(function* () {
  const { owner } = yield* Postgres.PostgresServer
  const url = new URL(Redacted.value(owner))
  const name = `empty_${databases++}`
  const admin = new URL(url)
  admin.username = "postgres"
  yield* within(Database.layerUnchecked({ url: Redacted.make(admin.href) }), ({ query }) =>
    query((sql) => sql.unsafe(`create database ${name} owner owner`)),
  )
  url.pathname = `/${name}`
  return Redacted.make(url.href)
})

const migrate = (url: Redacted.Redacted<string>) =>
  Migrations.migrate({ runtimeRole: "runner" }).pipe(Effect.provide(Database.layerUnchecked({ url }), { local: true }))

const openingFails = (url: Redacted.Redacted<string>) =>
  Effect.flip(within(Database.layer({ url, timeout: "2 seconds" }), () => Effect.void))

shared(Layer.orDie(Postgres.layer), { excludeTestServices: true })("Migrations.migrate", (it) => {
  it("has steps whose versions count from one", () => {
    assert.deepStrictEqual(
      Migrations.migrations.map(({ version }) => version),
      Array.from({ length: Migrations.current }, (_, i) => i + 1),
    )
  })

  it.effect("brings an empty database to the current version, once, also where two programs migrate at once", () =>
    Effect.gen(function* () {
      const url = yield* emptyDatabase
      const error = yield* openingFails(url)
      assert.match(
        error.message,
        /its schema is version 0 and this release needs \d+; migrate it with the role that owns it$/,
      )
      const [one, other] = yield* Effect.all([migrate(url), migrate(url)], { concurrency: 2 })
      assert.strictEqual(one.length + other.length, Migrations.current)
      assert.deepStrictEqual(yield* migrate(url), [])
      yield* within(Database.layer({ url }), () => Effect.void)
    }),
  )

  it.effect("leaves a newer schema as it is, and no program opens it", () =>
    Effect.gen(function* () {
      const url = yield* emptyDatabase
      yield* migrate(url)
      yield* within(Database.layer({ url }), ({ query }) =>
        query((sql) => sql`insert into live_response.migrations (version, name) values (99, 'of the future')`),
      )
      for (const error of [yield* openingFails(url), yield* Effect.flip(migrate(url))]) {
        assert.match(error.message, /a newer release has migrated its schema to version 99, and this one needs \d+;/)
      }
    }),
  )

  it.effect("leaves the schema as it was if a step fails", () =>
    Effect.gen(function* () {
      const url = yield* emptyDatabase
      yield* within(Database.layerUnchecked({ url }), ({ query }) =>
        query((sql) =>
          Effect.andThen(
            sql`create schema live_response`,
            // It is in the way of a table of the last step.
            sql`create table live_response.sessions (x int)`,
          ),
        ),
      )
      const error = yield* Effect.flip(migrate(url))
      assert.strictEqual(error.reason._tag, "Refused")
      assert.match(error.message, /relation "sessions" already exists/)
      assert.strictEqual((yield* openingFails(url)).reason._tag, "OlderSchema")
    }),
  )

  it.effect("leaves each role what it may do, also with the tables that are new", () =>
    Effect.gen(function* () {
      const { superuser } = yield* Postgres.PostgresServer
      const url = yield* emptyDatabase
      const old = Migrations.migrations.slice(0, 3)
      yield* within(Database.layerUnchecked({ url: superuser }), ({ query }) =>
        query((sql) => Effect.andThen(sql.unsafe(`create role "Reads ""all"""`), sql`create role one_table`)),
      )
      // What the release before the runs left, with its grants.
      yield* within(Database.layerUnchecked({ url }), ({ query }) =>
        query((sql) =>
          Effect.forEach(
            [
              "create schema live_response",
              "create table live_response.migrations (version int primary key, name text, at timestamptz default now())",
              ...old.flatMap(({ statements }) => statements),
              ...old.map(({ version }) => `insert into live_response.migrations values (${version}, 'old')`),
              "grant usage on schema live_response to runner, one_table",
              "grant select, insert, update, delete on all tables in schema live_response to runner",
              "revoke insert, update, delete on live_response.migrations from runner",
              `grant select on all tables in schema live_response to "Reads ""all"""`,
              "grant select, update on live_response.tenants to one_table",
            ],
            (statement) => sql.unsafe(statement),
            { discard: true },
          ),
        ),
      )
      const steps = yield* Migrations.migrate().pipe(Effect.provide(Database.layerUnchecked({ url }), { local: true }))
      assert.lengthOf(steps, Migrations.current - old.length)
      const rights = yield* within(Database.layerUnchecked({ url }), ({ query }) =>
        query(
          (sql) => sql`
            select r.role, p.privilege, count(*)::int4 as tables
            from (values ('runner'), ('Reads "all"'), ('one_table')) r (role)
            cross join (values ('select'), ('insert'), ('update'), ('delete')) p (privilege)
            cross join pg_tables t
            where t.schemaname = 'live_response' and t.tablename <> 'migrations'
              and has_table_privilege(r.role, format('live_response.%I', t.tablename), p.privilege)
            group by r.role, p.privilege order by r.role collate "C", p.privilege`,
        ),
      )
      const all = rights.find(({ role }) => role === "runner")?.["tables"]
      assert.isAbove(Number(all), 10)
      assert.deepStrictEqual(
        rights.map(({ privilege, role, tables }) => [role, privilege, tables]),
        [
          ['Reads "all"', "select", all],
          ["one_table", "select", 1],
          ["one_table", "update", 1],
          ...["delete", "insert", "select", "update"].map((privilege) => ["runner", privilege, all]),
        ],
      )
      const runner = new URL(Redacted.value(url))
      runner.username = "runner"
      yield* within(Database.layer({ url: Redacted.make(runner.href) }), ({ query }) =>
        query((sql) => sql`select 1 from live_response.cluster_runs`),
      )
      const forbidden = yield* Effect.flip(
        within(Database.layer({ url: Redacted.make(runner.href) }), ({ query }) =>
          query((sql) => sql`insert into live_response.migrations (version, name) values (100, 'mine')`),
        ),
      )
      assert.match(forbidden.message, /permission denied/)
    }),
  )

  it.effect("gives the role of runners the rows and nothing more", () =>
    Effect.gen(function* () {
      const { runner } = yield* Postgres.PostgresServer
      yield* within(Database.layer({ url: runner }), ({ query }) =>
        Effect.gen(function* () {
          for (const statement of [
            "create table live_response.other (x int)",
            "drop table live_response.quota_calls",
            "alter table live_response.quota_calls add column x int",
            "create or replace function live_response.quota_millis(span interval) returns float8 language sql as 'select 0.0::float8'",
            "insert into live_response.migrations (version, name) values (100, 'mine')",
          ]) {
            const error = yield* Effect.flip(query((sql) => sql.unsafe(statement)))
            assert.strictEqual(error.reason._tag, "Refused", statement)
            assert.match(error.message, /permission denied|must be owner/, statement)
          }
        }),
      )
    }),
  )
})

shared(Layer.orDie(Postgres.layer), { excludeTestServices: true })("Database.layer", (it) => {
  it.effect("names the database and not the password where the sign-in is refused", () =>
    Effect.gen(function* () {
      const { runner } = yield* Postgres.PostgresServer
      const url = new URL(Redacted.value(runner))
      url.password = "another-secret"
      const error = yield* openingFails(Redacted.make(url.href))
      assert.strictEqual(error.reason._tag, "Refused")
      assert.match(error.message, /^PostgreSQL at 127\.0\.0\.1:\d+\/live: it refused \(password authentication failed/)
      assert.notInclude(JSON.stringify(error), "another-secret")
    }),
  )

  it.effect("reports that nothing listens at the address, and an address that is not one", () =>
    Effect.gen(function* () {
      const nobody = yield* openingFails(Redacted.make("postgres://runner:secret-4711@127.0.0.1:1/live"))
      assert.match(nobody.message, /^PostgreSQL at 127\.0\.0\.1:1\/live: it does not answer \(.*ECONNREFUSED/)
      const mistyped = [
        yield* openingFails(Redacted.make("secret-4711")),
        yield* openingFails(Redacted.make("redis://:secret-4711@127.0.0.1:1/live")),
      ]
      for (const error of mistyped) {
        assert.match(error.message, /^PostgreSQL at an unknown address: its URL is not postgres:/)
      }
      for (const error of [nobody, ...mistyped]) assert.notInclude(JSON.stringify(error), "4711")
    }),
  )

  it.effect("has one time zone for all programs, whatever the server and the role have", () =>
    Effect.gen(function* () {
      const { runner, superuser } = yield* Postgres.PostgresServer
      const asked = (url: Redacted.Redacted<string>, statement: string) =>
        within(Database.layer({ url }), ({ query }) => query((sql) => sql.unsafe(statement)))
      yield* asked(superuser, "alter role runner set timezone = 'Asia/Tokyo'")
      assert.deepStrictEqual(yield* asked(runner, "show timezone"), [{ TimeZone: "UTC" }])
      yield* asked(superuser, "alter role runner reset timezone")
    }),
  )

  it.effect("ends a statement that takes too long", () =>
    Effect.gen(function* () {
      const { runner } = yield* Postgres.PostgresServer
      const error = yield* Effect.flip(
        within(Database.layer({ url: runner, timeout: "300 millis" }), ({ query }) =>
          query((sql) => sql`select pg_sleep(60)::text`),
        ),
      )
      assert.match(error.message, /it does not answer \(canceling statement due to statement timeout\)/)
    }),
  )

  it.effect("waits while the database is away, with one warning however many statements wait", () =>
    Effect.gen(function* () {
      const server = yield* Postgres.PostgresServer
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => lines.push(`${logLevel}: ${String(message)}`))
      yield* within(Database.layer({ url: server.runner, timeout: "2 seconds" }), ({ patiently, query }) =>
        Effect.gen(function* () {
          const one = patiently((sql) => sql`select 1 as one`)
          yield* server.stop
          const waiting = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(one))
          assert.strictEqual((yield* Effect.flip(query((sql) => sql`select 1`))).reason._tag, "Unreachable")
          yield* server.start
          for (const fiber of waiting) assert.deepStrictEqual(yield* Fiber.join(fiber), [{ one: 1 }])
        }),
      ).pipe(Effect.provide(Logger.layer([logger])))
      assert.deepStrictEqual(
        lines.map((line) => line.replace(/PostgreSQL at \S+/, "PostgreSQL").replace(/\(.*\)/, "(…)")),
        [
          "Warn: PostgreSQL it does not answer (…); is it up, and is the address right?; what needs it waits",
          "Info: PostgreSQL answers again",
        ],
      )
    }),
  )

  it.effect("says once that a server accepts no writes, although it answers what only reads", () =>
    Effect.gen(function* () {
      const { runner } = yield* Postgres.PostgresServer
      const lines = yield* Queue.unbounded<string>()
      const logger = Logger.make(({ logLevel, message }) => Queue.offerUnsafe(lines, `${logLevel}: ${String(message)}`))
      yield* within(Database.layer({ url: runner, maxConnections: 1 }), ({ patiently }) =>
        Effect.gen(function* () {
          yield* patiently((sql) => sql`set default_transaction_read_only = on`)
          const write = yield* Effect.forkChild(
            patiently((sql) => sql`update live_response.tenants set name = name where false`),
          )
          assert.match(
            yield* Queue.take(lines),
            /^Warn: .*it accepts no writes \(.*\); is it a standby, or is its disk nearly full\?; what needs it waits$/,
          )
          for (let i = 0; i < 3; i++) yield* patiently((sql) => sql`select 1`)
          yield* patiently((sql) => sql`set default_transaction_read_only = off`)
          yield* Fiber.join(write)
          assert.match(yield* Queue.take(lines), /^Info: PostgreSQL at \S+ works again$/)
        }),
      ).pipe(Effect.provide(Logger.layer([logger])))
      assert.strictEqual(yield* Queue.size(lines), 0)
    }),
  )

  it.effect("waits for a server that has no connection left, and says whose limit that is", () =>
    Effect.gen(function* () {
      const { runner, superuser } = yield* Postgres.PostgresServer
      const administer = (statement: string) =>
        within(Database.layerUnchecked({ url: superuser }), ({ query }) => query((sql) => sql.unsafe(statement)))
      const url = new URL(Redacted.value(runner))
      yield* administer(`create role crowded login password '${url.password}' connection limit 0`)
      url.username = "crowded"
      const error = yield* openingFails(Redacted.make(url.href))
      yield* administer("drop role crowded")
      assert.match(
        error.message,
        /it has not enough for this \(too many connections for role "crowded"\); free space on its disk, or raise its limit of connections or that of the role$/,
      )
      assert.isTrue(error instanceof DatabaseError && error.isRetryable)
    }),
  )
})
