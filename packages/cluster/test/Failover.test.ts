/** The primary becomes a standby without a restart, keeps its connections, and the name of the database leads to its successor. */
import { assert, describe, it } from "@effect/vitest"
import * as Cluster from "@live-response/cluster/Cluster"
import * as Database from "@live-response/cluster/Database"
import * as PgPositions from "@live-response/cluster/PgPositions"
import * as TenantOwner from "@live-response/cluster/TenantOwner"
import * as Tenants from "@live-response/cluster/Tenants"
import * as PostgresServer from "@live-response/cluster/testing/PostgresServer"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { positionAt, sessions } from "../../core/test/support/PositionSuite.ts"
import * as NetworkHole from "./support/networkHole.ts"
import { named, newTenant } from "./support/newTenants.ts"

const portOf = (url: Redacted.Redacted<string>) => Number(new URL(Redacted.value(url)).port)

/** Two servers, and a URL that leads to the first one until the failover. */
const servers = Effect.gen(function* () {
  const [former, next] = yield* Effect.all([PostgresServer.make, PostgresServer.make], { concurrency: 2 })
  const proxy = yield* NetworkHole.make(portOf(former.runner))
  const url = new URL(Redacted.value(former.runner))
  url.port = String(proxy.port)
  const administer = yield* open(former.superuser)
  const failOver = Effect.gen(function* () {
    yield* administer.query((sql) => sql`alter system set default_transaction_read_only = on`)
    yield* administer.query((sql) => sql`select pg_reload_conf()`)
    yield* proxy.leadTo(portOf(next.runner))
  })
  return { former, next, url: Redacted.make(url.href), failOver }
})

const open = (url: Redacted.Redacted<string>) =>
  Effect.map(Layer.build(Layer.fresh(Database.layer({ url }))), (built) => Context.get(built, Database.Database))

/** What is refused by a server that accepts no writes, even if there is no row. */
const write = ({ patiently }: Database.Service) =>
  patiently((sql) => sql`update live_response.tenants set name = name where false`)

describe("A failover that breaks no connection", () => {
  it.live("is followed by all connections: those of statements, of a runner's locks, and the one that listens", () =>
    Effect.gen(function* () {
      const { failOver, former, next, url } = yield* servers
      const database = yield* open(url)
      const runner = "follows"
      const { each } = Context.get(yield* Layer.build(Cluster.layer({ url, runner })), Cluster.Cluster)
      const runs = yield* Deferred.make<void>()
      yield* each("work", Effect.andThen(Deferred.succeed(runs, undefined), Effect.never))
      yield* Deferred.await(runs)
      yield* write(database)

      /** What a server knows of the runner: its connections, and those of them that have locks and that listen. */
      const known = Effect.fnUntraced(function* (server: PostgresServer.Service) {
        const { query } = yield* open(server.superuser)
        const [row] = yield* query(
          (sql) => sql<Record<"all" | "locks" | "listening", number>>`
            select count(*)::int as all, (count(*) filter (where query ilike 'listen%'))::int as listening,
                (count(*) filter (where pid in (select pid from pg_locks where locktype = 'advisory')))::int as locks
              from pg_stat_activity where application_name = ${`live-response ${runner}`}`,
        )
        return row
      }, Effect.scoped)
      const until = (
        server: PostgresServer.Service,
        holds: (row: Effect.Success<ReturnType<typeof known>>) => boolean,
      ) => Effect.repeat(known(server), { until: holds, schedule: Schedule.spaced("100 millis") })
      yield* until(former, (row) => row?.locks === 1 && row.listening === 1)

      yield* failOver
      // The server may still accept a write: it reads its settings when it has time.
      const port = Effect.andThen(
        write(database),
        database.query((sql) => sql<{ port: string }>`show port`),
      )
      yield* Effect.repeat(port, {
        until: ([row]) => Number(row?.port) === portOf(next.runner),
        schedule: Schedule.spaced("100 millis"),
      })
      yield* until(next, (row) => row?.locks === 1 && row.listening === 1)
      yield* until(former, (row) => row?.all === 0)
    }).pipe(Effect.scoped),
  )

  it.live("is followed when a connection is as old as it may be, though nothing is refused", () =>
    Effect.gen(function* () {
      const { runner: url } = yield* PostgresServer.make
      const built = yield* Layer.build(Database.layer({ url, connectionLifetime: "1 second" }))
      const { query } = Context.get(built, Database.Database)
      const backend = Effect.map(
        query((sql) => sql<{ pid: number }>`select pg_backend_pid() as pid`),
        ([row]) => row?.pid,
      )
      const former = yield* backend
      yield* Effect.repeat(backend, { until: (pid) => pid !== former, schedule: Schedule.spaced("100 millis") })
    }).pipe(Effect.scoped),
  )
})

describe("A server that started since the last position", () => {
  it.live("may lack what another one had accepted, which is said once", () =>
    Effect.gen(function* () {
      // What it accepts it has, so that the tenant is there.
      const server = yield* PostgresServer.makeWith({ settings: { synchronous_commit: "on" } })
      const tenants = Tenants.layer.pipe(Layer.provideMerge(Database.layer({ url: server.runner })))
      const test = Effect.gen(function* () {
        const tenant = newTenant()
        yield* Tenants.Tenants.use(({ add }) => add(tenant, named("contoso")))
        const positions = Context.get(
          yield* Layer.build(PgPositions.layer.pipe(Layer.provide(TenantOwner.layer(tenant)))),
          FollowPosition.FollowPosition,
        )
        const lostAfter = (n: number) =>
          Effect.andThen(
            positions.save(sessions, positionAt(n)),
            positions.mayHaveLost ?? Effect.die("it never says so"),
          )
        // A program knows the server from its start on, even if it has stored nothing there.
        yield* positions.find(sessions)
        yield* Effect.andThen(server.stop, server.start)
        assert.deepStrictEqual([yield* lostAfter(1), yield* lostAfter(2)], [true, false])
      })
      yield* Effect.provide(test, tenants)
    }).pipe(Effect.scoped),
  )
})
