import { assert, describe, it } from "@effect/vitest"
import * as Cluster from "@live-response/cluster/Cluster"
import * as Database from "@live-response/cluster/Database"
import { DatabaseError } from "@live-response/cluster/DatabaseError"
import * as Tenants from "@live-response/cluster/Tenants"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Connection from "../src/internal/connection.ts"
import * as Engine from "../src/internal/engine.ts"
import * as Grants from "../src/internal/grants.ts"
import { applicationName } from "../src/internal/runnerNames.ts"
import * as NetworkHole from "./support/networkHole.ts"
import { named, newTenant, registry } from "./support/owners.ts"
import { start } from "./support/programs.ts"
import { sharedServer, startServer } from "./support/server.ts"

startServer()

/** The server, through a network that can be a hole. */
const throughHole = Effect.gen(function* () {
  const url = new URL(Redacted.value((yield* PostgresServer).runner))
  const hole = yield* NetworkHole.make(Number(url.port))
  url.port = String(hole.port)
  return { hole, url: Redacted.make(url.href) }
})

/** A runner, and what ends it. */
const join = Effect.fnUntraced(function* (runner: string) {
  const server = yield* PostgresServer
  const scope = yield* Scope.fork(yield* Effect.scope)
  const built = yield* Layer.buildWithScope(Layer.fresh(Cluster.layer({ url: server.runner, runner })), scope)
  return { ...Context.get(built, Cluster.Cluster), scope, end: Scope.close(scope, Exit.void) }
})

type Runner = Effect.Success<ReturnType<typeof join>>

/** Tenants, the processes that run them, and which of those has each tenant. */
const runnersOfTenants = Effect.gen(function* () {
  const tenants = Array.from({ length: 8 }, () => newTenant())
  yield* Tenants.Tenants.use(({ add }) => Effect.forEach(tenants, (tenant) => add(tenant, named("contoso"))))
  const lines = yield* Queue.unbounded<{ readonly by: string; readonly line: string }>()
  const owners = new Map<string, string>()
  const run = Effect.fnUntraced(function* (by: string, url: Redacted.Redacted<string>) {
    const name = `${by.replace(" ", "-")}-${tenants[0]?.slice(-4)}`
    const { child, lines: printed } = yield* start("runnerProcess", name, Redacted.value(url), ...tenants)
    yield* Effect.forkScoped(
      Effect.forever(Effect.flatMap(Queue.take(printed), (line) => Queue.offer(lines, { by, line }))),
    )
    return child
  })
  /** A runner that is killed stops nothing, so only one that lives has to stop a tenant first. */
  const dead = new Set(["victim"])
  const take = ({ by, line }: { readonly by: string; readonly line: string }) => {
    // Other lines are those of the log.
    const [, what, tenant] = /^(started|stopped) (\S+)$/.exec(line) ?? []
    if (tenant === undefined) return
    const owner = owners.get(tenant)
    if (what === "stopped") {
      assert.strictEqual(owner, by, `${tenant} was stopped`)
      owners.delete(tenant)
      return
    }
    if (owner !== undefined && !dead.has(owner)) assert.fail(`${tenant} runs on ${owner} and on ${by}`)
    owners.set(tenant, by)
  }
  const until = (isDone: () => boolean) => Queue.take(lines).pipe(Effect.map(take), Effect.repeat({ until: isDone }))
  return { owners, run, tenants, until }
})

/** Counts the writes of positions whose epoch is older than that of the write before. */
const watchStaleWrites = Effect.fnUntraced(function* (url: Redacted.Redacted<string>) {
  const database = Context.get(yield* Layer.build(Database.layerUnchecked({ url })), Database.Database)
  for (const statement of [
    "create table public.stale_writes (tenant uuid)",
    `create function public.note_stale_write() returns trigger language plpgsql security definer as $$
      begin
        if new.epoch < old.epoch then insert into public.stale_writes values (new.tenant); end if;
        return new;
      end $$`,
    `create trigger stale_writes after update on live_response.positions
      for each row execute function public.note_stale_write()`,
  ]) {
    yield* database.query((sql) => sql.unsafe(statement))
  }
  return database.query((sql) => sql`select count(*)::int as accepted from public.stale_writes`)
})

describe("Cluster.layer", () => {
  it.live("runs each piece on one runner, and on the other one when that one leaves", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 12 }, (_, n) => `tenant ${n}`)
      const started = yield* Queue.unbounded<{ readonly name: string; readonly by: string }>()
      const running = new Map<string, string>()
      const register = (runner: Runner, by: string) =>
        Effect.forEach(
          names,
          (name) =>
            runner.each(
              name,
              Effect.acquireRelease(
                Effect.sync(() => {
                  assert.isUndefined(running.get(name), `${name} runs twice`)
                  running.set(name, by)
                }),
                () => Effect.sync(() => running.delete(name)),
              ).pipe(Effect.andThen(Queue.offer(started, { name, by })), Effect.andThen(Effect.never), Effect.scoped),
            ),
          { discard: true },
        ).pipe(Scope.provide(runner.scope))
      const until = (isDone: () => boolean) => Queue.take(started).pipe(Effect.repeat({ until: isDone }))
      const [one, other] = [yield* join("one"), yield* join("other")]
      yield* Effect.all([register(one, "one"), register(other, "other")], { concurrency: 2 })
      yield* until(() => running.size === names.length && new Set(running.values()).size === 2)
      yield* one.end
      yield* until(() => names.every((name) => running.get(name) === "other"))
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live("can be left at once, while the runner is still being registered", () =>
    Effect.gen(function* () {
      for (const name of ["brief 1", "brief 2", "brief 3"]) {
        const { end } = yield* join(name)
        yield* end
      }
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live.each([
    { what: "the comparison of sessions", text: "select pg_backend_pid()" },
    { what: "the connection of the locks", text: "idle_session_timeout" },
    { what: "the connection that hears other runners", text: "LISTEN" },
  ])("fails in time where the network swallows $what, and joins once it does not", ({ text }) =>
    Effect.gen(function* () {
      const { hole, url } = yield* throughHole
      const joined = Layer.build(Layer.fresh(Cluster.layer({ url, runner: "hidden", timeout: "1 second" })))
      yield* hole.openAt(text)
      const error = yield* Effect.flip(
        Effect.flatMap(joined, () => Effect.fail("joined")).pipe(Effect.scoped, Effect.timeout("6 seconds")),
      )
      assert.isTrue(error instanceof DatabaseError && error.reason._tag === "Unreachable", String(error))
      yield* hole.mend
      yield* joined
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live("fails, and does not die, where the connection of its locks can't be opened", () =>
    Effect.gen(function* () {
      const server = yield* PostgresServer
      const connections = yield* Connection.connect({ url: server.runner })
      yield* Effect.acquireRelease(server.stop, () => server.start)
      const error = yield* Effect.flip(Engine.join(connections, "refused"))
      assert.strictEqual(error.reason._tag, "Unreachable")
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(sharedServer, Reactivity.layer))),
  )

  it.live("is refused to a role that may only read, and names what it lacks", () =>
    Effect.gen(function* () {
      const server = yield* PostgresServer
      const owner = yield* Layer.build(Database.layerUnchecked({ url: server.superuser }))
      const { query } = Context.get(owner, Database.Database)
      const url = new URL(Redacted.value(server.runner))
      url.username = "reader"
      const fails = Effect.map(
        Effect.flip(Layer.build(Layer.fresh(Cluster.layer({ url: Redacted.make(url.href), runner: "reading" })))),
        ({ isRetryable, description }) => ({ isRetryable, description }),
      )
      const runners = query((sql) => sql`select 1 from live_response.engine_runners where address like 'reading:%'`)
      for (const statement of [
        `create role reader login password '${url.password}'`,
        "grant connect on database live to reader",
        "grant usage on schema live_response to reader",
        "grant select on all tables in schema live_response to reader",
      ])
        yield* query((sql) => sql.unsafe(statement))
      const { description, isRetryable } = yield* fails
      assert.isFalse(isRetryable)
      assert.match(
        description,
        /^the role reader lacks rights that runners need \(delete, insert, update, usage on \w+, \w+, \w+ and \d+ more\); run migrate --runtime-role reader with the role that owns the schema$/,
      )
      for (const statement of Grants.statements(Grants.ofRunners("reader")))
        yield* query((sql) => sql.unsafe(statement))
      yield* query((sql) => sql`revoke update on live_response.positions from reader`)
      assert.include((yield* fails).description, "runners need (update on positions); run")
      assert.deepStrictEqual(yield* runners, [])
      // What nobody who has them for the table needs for its partitions.
      yield* query((sql) => sql`grant update on live_response.positions to reader`)
      yield* query((sql) => sql`revoke all on live_response.manifest_3 from reader`)
      yield* Layer.build(Layer.fresh(Cluster.layer({ url: Redacted.make(url.href), runner: "reading" })))
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live("frees each piece once it has stopped, while another one still stops", () =>
    Effect.gen(function* () {
      const stopping = yield* Deferred.make<void>()
      const mayStop = yield* Deferred.make<void>()
      const events = yield* Queue.unbounded<string>()
      const register = (runner: Runner, by: string) =>
        Effect.forEach(["quick", "slow"], (name) => {
          const stop = Effect.andThen(Deferred.succeed(stopping, undefined), Deferred.await(mayStop))
          const onStop = by === "leaving" && name === "slow" ? stop : Effect.void
          return runner.each(
            name,
            Effect.andThen(
              Queue.offer(events, `${name} on ${by}`),
              Effect.onInterrupt(Effect.never, () => onStop),
            ),
          )
        }).pipe(Scope.provide(runner.scope))
      const next = Effect.map(Effect.all([Queue.take(events), Queue.take(events)]), (two) => two.toSorted())
      const leaving = yield* join("leaving")
      yield* register(leaving, "leaving")
      assert.deepStrictEqual(yield* next, ["quick on leaving", "slow on leaving"])
      const left = yield* Effect.forkChild(leaving.leave)
      yield* Deferred.await(stopping)
      const other = yield* join("taking")
      yield* register(other, "taking")
      assert.strictEqual(yield* Queue.take(events), "quick on taking")
      yield* Deferred.succeed(mayStop, undefined)
      assert.strictEqual(yield* Queue.take(events), "slow on taking")
      yield* Fiber.join(left)
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live("logs nothing that the engine says of itself", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const server = yield* PostgresServer
      const owner = yield* Layer.build(Database.layerUnchecked({ url: server.owner }))
      const { query } = Context.get(owner, Database.Database)
      yield* join("talkative")
      const untilHealthy = query(
        (sql) => sql`select 1 as found from live_response.engine_runners where healthy and address like 'talkative:%'`,
      ).pipe(Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("50 millis") }))
      yield* untilHealthy
      // The engine warns that no runner is healthy, and then says that this one is.
      yield* query((sql) => sql`update live_response.engine_runners set healthy = false`)
      yield* untilHealthy
      assert.deepStrictEqual(lines, [])
    }).pipe(Effect.scoped, Effect.provide([sharedServer, Logger.layer([logger])]))
  })

  it.live("says once that PostgreSQL accepts no record of this runner, and once that it does again", () =>
    Effect.gen(function* () {
      const logged = yield* Queue.unbounded<string>()
      const logger = Logger.make(({ logLevel, message }) => {
        Queue.offerUnsafe(logged, `${logLevel}: ${String(message).replace(/PostgreSQL at \S+:/, "PostgreSQL:")}`)
      })
      yield* Effect.gen(function* () {
        const server = yield* PostgresServer
        const owner = yield* Layer.build(Database.layerUnchecked({ url: server.owner }))
        const { query } = Context.get(owner, Database.Database)
        const run = (statement: string) => query((sql) => sql.unsafe(statement))
        yield* join("without rights")
        yield* run("revoke update on live_response.engine_runners from runner")
        assert.match(
          yield* Queue.take(logged),
          /^Warn: PostgreSQL: it refused \(permission denied for table engine_runners\); .*; until then this runner gets no work$/,
        )
        yield* run("grant update on live_response.engine_runners to runner")
        assert.strictEqual(yield* Queue.take(logged), "Info: PostgreSQL accepts again that this runner gets work")
      }).pipe(Effect.provide(Logger.layer([logger])))
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live("says when the locks were last confirmed, whose connection can hang while statements are answered", () =>
    Effect.gen(function* () {
      const server = yield* PostgresServer
      const { each, sinceLocks } = yield* join("hangs")
      const owner = yield* Layer.build(Database.layerUnchecked({ url: server.superuser }))
      const { query } = Context.get(owner, Database.Database)
      const runs = yield* Deferred.make<void>()
      yield* each("hangs", Effect.andThen(Deferred.succeed(runs, undefined), Effect.never))
      yield* Deferred.await(runs)
      const [row] = yield* query(
        (sql) => sql<{ pid: number }>`select distinct pid from pg_locks join pg_stat_activity using (pid)
          where locktype = 'advisory' and application_name = 'live-response hangs'`,
      )
      const pid = row?.pid ?? assert.fail("no session has the locks")
      const until = (holds: (seconds: number) => boolean) =>
        Effect.repeat(sinceLocks, {
          until: (since) => Option.exists(since, (since) => holds(Duration.toSeconds(since))),
          schedule: Schedule.spaced("50 millis"),
        })
      yield* until((seconds) => seconds < 5)
      process.kill(pid, "SIGSTOP")
      yield* Effect.addFinalizer(() => Effect.ignore(Effect.try(() => process.kill(pid, "SIGCONT"))))
      // It asks every five seconds.
      yield* until((seconds) => seconds > 8)
      process.kill(pid, "SIGCONT")
      yield* until((seconds) => seconds < 5)
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live("starts a piece again that has failed, with a line in the log, and no other", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ fiber, message }) => {
      const { tenant } = fiber.getRef(References.CurrentLogAnnotations)
      lines.push(`${String(tenant)}: ${String(message)}`)
    })
    return Effect.gen(function* () {
      const runner = yield* join("alone")
      const starts = yield* Queue.unbounded<string>()
      /** Does this when it is started for the first time, and runs on the second time. */
      const once = <E>(name: string, first: Effect.Effect<void, E>) => {
        let isFirst = true
        const run = Effect.suspend(() => {
          const now = isFirst ? first : Effect.never
          isFirst = false
          return Effect.andThen(Queue.offer(starts, name), now)
        })
        return Scope.provide(runner.each(name, run, { annotations: { tenant: `of ${name}` } }), runner.scope)
      }
      yield* once("steady", Effect.never)
      yield* once("dying", Effect.die("a bug"))
      yield* once("failing", Effect.fail("no sign-in"))
      const seen = yield* Effect.forEach(Array.from({ length: 5 }), () => Queue.take(starts))
      assert.deepStrictEqual(seen.toSorted(), ["dying", "dying", "failing", "failing", "steady"])
      assert.deepStrictEqual(
        lines
          .filter((line) => line.includes("is started again"))
          .map((line) => line.split(",")[0])
          .toSorted(),
        ["of dying: dying failed and is started again", "of failing: failing failed and is started again"],
      )
    }).pipe(Effect.scoped, Effect.provide([sharedServer, Logger.layer([logger])]))
  })

  it.live("takes a runner for gone of which only another database has a connection with its name", () =>
    Effect.gen(function* () {
      const server = yield* PostgresServer
      const { query } = yield* Database.Database
      const url = new URL(Redacted.value(server.superuser))
      url.pathname = "/postgres"
      const impostor = Context.get(
        yield* Layer.build(
          Database.layerUnchecked({ url: Redacted.make(url.href), applicationName: applicationName("killed") }),
        ),
        Database.Database,
      )
      yield* impostor.query((sql) => sql`select 1`)
      yield* join("witness")
      yield* query(
        (sql) => sql`insert into live_response.engine_runners (address, runner, healthy, last_heartbeat)
          select replace(address, 'witness', 'killed'), replace(runner, 'witness', 'killed'), true, last_heartbeat
            from live_response.engine_runners where address like 'witness:%'
          on conflict (address) do nothing returning 1 as added`,
      ).pipe(Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("50 millis") }))
      yield* query(
        (sql) => sql`select 1 as gone from live_response.engine_runners where not healthy and address like 'killed:%'`,
      ).pipe(Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("50 millis") }))
    }).pipe(Effect.scoped, Effect.provide(sharedServer)),
  )

  it.live("runs everything elsewhere after a runner was killed, with writes of the last owners last", () =>
    Effect.gen(function* () {
      const server = yield* PostgresServer
      const { owners, run, tenants, until } = yield* runnersOfTenants
      const victim = yield* run("victim", server.runner)
      yield* until(() => owners.size === tenants.length)
      yield* run("survivor", server.runner)
      yield* until(() => new Set(owners.values()).size === 2)
      victim.kill("SIGKILL")
      yield* until(() => tenants.every((tenant) => owners.get(tenant) === "survivor"))
      const rows = yield* Database.Database.use(({ query }) =>
        query(
          (
            sql,
          ) => sql`select t.tenant::text as tenant from live_response.tenants t join live_response.positions p using (tenant)
          where t.epoch = p.epoch and t.tenant = any (${`{${tenants.join(",")}}`}::uuid[]) order by 1`,
        ),
      )
      assert.deepStrictEqual(
        rows,
        tenants.map((tenant) => ({ tenant })),
      )
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(registry, sharedServer))),
  )

  it.live(
    "stops what a runner has that is cut off from the database before another one starts it, and accepts no late write",
    () =>
      Effect.gen(function* () {
        const server = yield* PostgresServer
        const staleWrites = yield* watchStaleWrites(server.owner)
        const { hole, url } = yield* throughHole
        const { owners, run, tenants, until } = yield* runnersOfTenants
        yield* run("cut off", url)
        yield* until(() => owners.size === tenants.length)
        yield* run("other", server.runner)
        yield* until(() => tenants.every((tenant) => owners.has(tenant)) && new Set(owners.values()).size === 2)
        yield* hole.open
        // That no tenant has two owners is checked with each line of a runner.
        yield* until(() => tenants.every((tenant) => owners.get(tenant) === "other"))
        yield* hole.mend
        // What was on its way arrives, and the runner joins again.
        yield* until(() => tenants.every((tenant) => owners.has(tenant)) && new Set(owners.values()).size === 2)
        assert.deepStrictEqual(yield* staleWrites, [{ accepted: 0 }])
      }).pipe(Effect.scoped, Effect.provide(Layer.merge(registry, sharedServer))),
    180_000,
  )
})
