/**
 * Effect's cluster, which is unstable: no other file names it.
 *
 * Of it, only singletons are used. Runners have no port: each holds locks in PostgreSQL, which decide who runs what, and is alive as
 * long as PostgreSQL has a connection with its name.
 */
import * as Outage from "@live-response/core/Outage"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Runners from "effect/cluster/Runners"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { DatabaseError } from "../DatabaseError.ts"
import * as Background from "./background.ts"
import type { Connections } from "./connection.ts"
import * as EngineLog from "./engineLog.ts"
import { acquireSoon } from "./handOver.ts"
import * as LastTime from "./lastTime.ts"
import * as RunnerChanges from "./runnerChanges.ts"
import { applicationName, isOfDatabase, lockExpiration } from "./runnerNames.ts"

/** The engine's tables, in our schema. */
const prefix = "live_response.engine"

/** Brings the engine's own tables to the version of the engine. Its failure is a defect. */
export const migrate = (sql: SqlClient.SqlClient): Effect.Effect<void> =>
  Effect.scoped(Layer.build(SqlRunnerStorage.layerMigrations({ prefix }))).pipe(
    Effect.provideService(SqlClient.SqlClient, sql),
    Effect.asVoid,
  )

/** Measured: after a kill -9 all runs elsewhere in some 3 s, and within the expiration of a lock and 3 s in the worst case: 17 s. */
const timing = {
  shardLockExpiration: lockExpiration,
  shardLockRefreshInterval: "5 seconds",
  // What it repeats waits by itself: {@link promptly}.
  refreshAssignmentsInterval: 0,
  runnerHealthCheckInterval: "3 seconds",
  entityMessagePollInterval: "2 seconds",
  entityTerminationTimeout: "10 seconds",
} as const

/**
 * The engine's storage, from which a runner learns at once that another one has come or gone, and gets its locks as soon as they are
 * released. The engine looks every second for each of the two. `locks` is marked when PostgreSQL confirms any lock of this runner.
 */
const promptly = (changes: RunnerChanges.RunnerChanges, isLeaving: () => boolean, locks: LastTime.LastTime) => {
  const confirmed = <A extends ReadonlyArray<unknown>, E>(held: Effect.Effect<A, E>) =>
    Effect.tap(held, ({ length }) => (length === 0 ? Effect.void : locks.mark))
  return Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.map(RunnerStorage.RunnerStorage, (storage) =>
      RunnerStorage.RunnerStorage.of({
        ...storage,
        getRunners: Effect.andThen(changes.next, storage.getRunners),
        register: (runner, healthy) => Effect.tap(storage.register(runner, healthy), changes.notify),
        unregister: (address) => Effect.tap(storage.unregister(address), changes.notify),
        setRunnerHealth: (address, healthy) => Effect.tap(storage.setRunnerHealth(address, healthy), changes.notify),
        acquire: (address, shards) => {
          const wanted = Array.from(shards)
          return acquireSoon(confirmed(storage.acquire(address, wanted)), wanted.length, isLeaving)
        },
        refresh: (address, shards) => confirmed(storage.refresh(address, shards)),
      }),
    ),
  )
}

const health = Layer.effect(
  RunnerHealth.RunnerHealth,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return {
      isAlive: ({ host }) =>
        sql`select 1 as found from pg_stat_activity
          where application_name = ${applicationName(host)} and ${isOfDatabase(sql)}`.pipe(
          Effect.map((rows) => rows.length > 0),
          // PostgreSQL decides by its locks anyway.
          Effect.orElseSucceed(() => true),
        ),
    }
  }),
)

/**
 * Marks the runners that are gone, so that the others take what they had.
 *
 * One runner of the engine checks all. If that is the one that is gone, the locks of a former runner must expire before anybody
 * checks again, which was measured to take 15 seconds. Therefore each runner checks the others.
 */
const markGone = (sql: SqlClient.SqlClient) =>
  sql`update live_response.engine_runners r set healthy = false where healthy and not exists (
    select 1 from pg_stat_activity
      where application_name = ${applicationName("")} || split_part(r.address, ':', 1) and ${isOfDatabase(sql)}) returning 1`

export interface Engine {
  /** Runs the effect on one runner at a time, until the scope closes. It is not run again after it ends, in whatever way. */
  readonly register: <R>(
    name: string,
    effect: Effect.Effect<void, never, R>,
  ) => Effect.Effect<void, never, R | Scope.Scope>

  /** How long ago PostgreSQL last confirmed a lock of this runner. None before the first one. */
  readonly sinceLocks: LastTime.LastTime["since"]

  /** Leaves the cluster: stops all effects side by side, and frees each name once its effect has stopped. */
  readonly leave: Effect.Effect<void>
}

/**
 * Marks those that are gone, and reports that PostgreSQL refuses it: then it refuses the records of this runner too, without which the
 * engine gives it no work, and the engine's own log does not show. A database that is away is reported by `Database`.
 */
const markGoneOrReport = (
  sql: SqlClient.SqlClient,
  { notify }: RunnerChanges.RunnerChanges,
  describe: (error: SqlError) => DatabaseError,
) =>
  markGone(sql).pipe(
    // Not in the same statement, which would fail as long as PostgreSQL's queue of notifications is full.
    Effect.tap((gone) => (gone.length === 0 ? Effect.void : notify)),
    Effect.mapError(describe),
    Outage.reporting("PostgreSQL accepts again that this runner gets work", ({ isRetryable, message }) =>
      isRetryable ? undefined : `${message}; until then this runner gets no work`,
    ),
  )

/** Joins the cluster as `runner`, a name that no other process ever has. */
export const join = Effect.fnUntraced(function* (connections: Connections, runner: string) {
  let isLeaving = false
  const locks = LastTime.make()
  const changes = yield* RunnerChanges.make(connections)
  const { client: sql, fromSqlError } = connections
  const config = ShardingConfig.layer({ ...timing, runnerAddress: Option.some(RunnerAddress.make(runner, 1)) })
  const layer = Sharding.layer.pipe(
    Layer.provide([Runners.layerNoop, health]),
    Layer.provide(MessageStorage.layerNoop),
    Layer.provide(promptly(changes, () => isLeaving, locks)),
    Layer.provide(SqlRunnerStorage.layerStorage({ prefix })),
    Layer.provide([config, Layer.succeed(SqlClient.SqlClient, sql)]),
  )
  const scope = yield* Scope.fork(yield* Effect.scope)
  const { registerSingleton } = yield* Layer.build(layer).pipe(
    Effect.flatMap((context) => Effect.provide(Sharding.Sharding, context)),
    Scope.provide(scope),
    EngineLog.demote,
    // It dies where the connection of its locks can't be opened.
    Effect.catchDefect((defect) => (isSqlError(defect) ? Effect.fail(fromSqlError(defect)) : Effect.die(defect))),
  )
  yield* Background.repeat(
    "the search for lost runners",
    markGoneOrReport(sql, changes, fromSqlError),
    timing.runnerHealthCheckInterval,
  )
  const engine: Engine = {
    register: (name, effect) => Effect.flatMap(EngineLog.asProgram(effect), (run) => registerSingleton(name, run)),
    sinceLocks: locks.since,
    leave: Effect.suspend(() => {
      isLeaving = true
      return Scope.close(scope, Exit.void)
    }),
  }
  return engine
})
