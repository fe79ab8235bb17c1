/**
 * The runs that were given to the cluster: anyone who can use the database submits, lists, watches and cancels them, and the
 * runner that owns the tenant executes them.
 *
 * @since 0.1.0
 */
import type { Session } from "@live-response/core/Session"
import * as SessionIdentity from "@live-response/core/SessionIdentity"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { type ClusterRun, Execution, type Failure, RunError, type RunEvent, RunId, RunOptions } from "./ClusterRun.ts"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { KnownRow, selectKnown, toKnown } from "./internal/journalRows.ts"
import { rowsOf } from "./internal/rows.ts"
import * as RunnerNames from "./internal/runnerNames.ts"
import * as RunRows from "./internal/runRows.ts"
import { TenantError, type TenantId } from "./Tenants.ts"

/**
 * What a run is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly tenant: TenantId
  readonly session: Session

  /** The ids of the machines. One that is named twice counts once. */
  readonly machines: ReadonlyArray<string>
  readonly options: RunOptions

  /** Who submits it, for those who list runs. */
  readonly submittedBy: string
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Queues a run. It starts when the owner of the tenant sees it, typically within two seconds.
   *
   * **Details**
   *
   * Nothing is lost once it succeeds. A session that the tenant has run before continues: no machine gets it twice, also where
   * the same run is submitted twice.
   */
  readonly submit: (request: Request) => Effect.Effect<RunId, DatabaseError | TenantError>

  /** The runs, the newest first: all of them, or those of a tenant. At most `limit`, by default 100. */
  readonly list: (options?: {
    readonly tenant?: TenantId | undefined
    readonly limit?: number | undefined
  }) => Effect.Effect<ReadonlyArray<ClusterRun>, DatabaseError>

  /** How many runs of a tenant have not finished. */
  readonly countOpen: (tenant: TenantId) => Effect.Effect<number, DatabaseError>

  /** One run. */
  readonly get: (run: RunId) => Effect.Effect<ClusterRun, DatabaseError | RunError>

  /**
   * The events of a run from its start, those of the past included, until it has finished.
   *
   * **Details**
   *
   * It only reads, so any number of programs may watch a run, and one that stops changes nothing. The stream ends when the run
   * has finished; it fails with the error that ended the run, with a `TenantError` if the removal of its tenant cancelled it, and with
   * a `RunError` if a user cancelled it or if its tenant is disabled, so that nobody executes it.
   */
  readonly watch: (run: RunId) => Stream.Stream<RunEvent, DatabaseError | RunError | Failure>

  /** Who executes a run now, and which runners are alive. */
  readonly execution: (run: RunId) => Effect.Effect<Execution, DatabaseError | RunError>

  /**
   * Ends a run. No further session starts; sessions in progress continue on their machines, and the run downloads nothing more.
   * It succeeds when the request is recorded. A run that no runner has taken, or whose tenant is disabled, is `cancelled` then;
   * of others, the owner of the tenant acts on it within seconds.
   */
  readonly cancel: (run: RunId) => Effect.Effect<void, DatabaseError | RunError>

  /** The files of a session whose content is not what the tenant's last run with the same commands and comment had. */
  readonly changedFiles: (tenant: TenantId, session: Session) => Effect.Effect<ReadonlyArray<string>, DatabaseError>
}

/**
 * The runs that were given to the cluster.
 *
 * @since 0.1.0
 * @category services
 */
export class Runs extends Context.Service<Runs, Service>()("@live-response/cluster/Runs") {}

/** How often a run that is watched is read. */
const pollEvery = Duration.seconds(1)

/** So many events are read at once. */
const pageSize = 500

const defaultLimit = 100

const decodeIds = rowsOf(Schema.Struct({ run: RunId }))
const decodeCounts = rowsOf(Schema.Struct({ open: Schema.Int }))
const decodeTenants = rowsOf(Schema.Struct({ enabled: Schema.Boolean }))
const decodeRuns = rowsOf(RunRows.RunRow)
const decodeEvents = rowsOf(RunRows.EventRow)
const decodeKnown = rowsOf(KnownRow)
const decodeStates = rowsOf(Schema.Struct({ ended: Schema.Boolean }))
const decodeExecutions = rowsOf(Schema.Struct({ execution: Schema.fromJsonString(Execution) }))
const encodeOptions = Schema.encodeEffect(Schema.fromJsonString(RunOptions))

const makeSubmit = ({ patiently }: Database["Service"]): Service["submit"] =>
  Effect.fn("Runs.submit")(function* ({ machines, options, session, submittedBy, tenant }) {
    // The id comes first, so that a statement whose answer was lost adds nothing when it is repeated.
    const ids = yield* Effect.flatMap(
      patiently((sql) => sql`select gen_random_uuid()::text as run`),
      decodeIds,
    )
    const run = yield* Effect.orDie(Effect.fromNullishOr(ids[0]?.run))
    const distinct = Array.from(new Set(machines.map((id) => id.toLowerCase())))
    const [sessionJson, optionsJson] = [
      yield* Effect.orDie(RunRows.encodeSession(session)),
      yield* Effect.orDie(encodeOptions(options)),
    ]
    const [found] = yield* patiently(
      // The lock makes who removes the tenant wait, and so end this run too.
      (sql) => sql`with owner as (
          select tenant, enabled from live_response.tenants where tenant = ${tenant}::uuid and not removed for share),
        added as (
          insert into live_response.cluster_runs (run, tenant, session, options, machines, submitted_by)
            select ${run}::uuid, tenant, ${sessionJson}::json, ${optionsJson}::json, ${String(distinct.length)}::int, ${submittedBy}
              from owner where enabled
            on conflict (run) do nothing returning run),
        named as (
          insert into live_response.cluster_run_machines (run, n, machine_id)
            select added.run, machine.n, machine.id
              from added, json_array_elements_text(${JSON.stringify(distinct)}::json) with ordinality as machine (id, n))
        select enabled from owner`,
    ).pipe(Effect.flatMap(decodeTenants))
    if (found === undefined) return yield* new TenantError({ tenant, problem: "Unknown" })
    if (!found.enabled) return yield* new TenantError({ tenant, problem: "Disabled" })
    return run
  })

/** Reads the events of a run page by page, and waits for more while the run is open. */
const makeWatch = (patiently: Database["Service"]["patiently"], get: Service["get"]): Service["watch"] => {
  const eventsAfter = (run: RunId, last: number) =>
    patiently(
      (sql) => sql`select n, event::text as event from live_response.cluster_run_events
        where run = ${run}::uuid and n > ${String(last)}::int order by n limit ${String(pageSize)}::int`,
    ).pipe(Effect.flatMap(decodeEvents))

  return (run) =>
    Stream.paginate(0, (last) =>
      Effect.gen(function* () {
        // The state is read first: once it is final, every event is stored.
        const { error, state, tenantEnabled, tenantName } = yield* get(run)
        const rows = yield* eventsAfter(run, last)
        const newest = rows.at(-1)
        if (newest !== undefined) return [rows.map(({ event }) => event), Option.some(newest.n)] as const
        if ((state === "failed" || state === "cancelled") && error !== undefined) return yield* error
        if (state === "cancelled") return yield* new RunError({ run, problem: "Cancelled" })
        if (state === "finished") return [[], Option.none<number>()] as const
        if (!tenantEnabled) return yield* new RunError({ run, problem: "TenantDisabled", tenant: tenantName })
        yield* Effect.sleep(pollEvery)
        return [[], Option.some(last)] as const
      }),
    )
}

const makeExecution =
  ({ patiently }: Database["Service"]): Service["execution"] =>
  (run) =>
    patiently(
      (sql) => sql`with alive as materialized (select ${RunnerNames.alive(sql)} as names),
        seen as (select max(greatest(looked_at, started_at)) as at from live_response.tenant_status)
        select json_strip_nulls(json_build_object('runners', alive.names, 'lastSeen', seen.at, 'runner',
            (select status.runner from live_response.tenant_status status, json_array_elements_text(alive.names) as name
              where status.tenant = run.tenant and status.runner = name and run.state = 'running')))::text as execution
          from live_response.cluster_runs run, alive, seen where run.run = ${run}::uuid`,
    ).pipe(
      Effect.flatMap(decodeExecutions),
      Effect.flatMap(([found]) =>
        found === undefined ? Effect.fail(new RunError({ run, problem: "Unknown" })) : Effect.succeed(found.execution),
      ),
    )

const makeCancel =
  ({ patiently }: Database["Service"]): Service["cancel"] =>
  (run) =>
    patiently(
      // The lock makes who enables the tenant wait, so that no new owner starts a run that is ended here because nobody has it.
      (sql) => sql`with tenant as (
        select enabled from live_response.tenants
          where tenant = (select tenant from live_response.cluster_runs where run = ${run}::uuid) for share),
        changed as (
        update live_response.cluster_runs set is_cancelling = true,
          state = case when state = 'queued' or not enabled then 'cancelled' else state end,
          ended_at = case when state = 'queued' or not enabled then now() end
          from tenant where run = ${run}::uuid and state in ('queued', 'running') returning run)
        select not is_cancelling and not exists (select 1 from changed) as ended
          from live_response.cluster_runs where run = ${run}::uuid`,
    ).pipe(
      Effect.flatMap(decodeStates),
      Effect.flatMap(([found]) => {
        if (found === undefined) return Effect.fail(new RunError({ run, problem: "Unknown" }))
        return found.ended ? Effect.fail(new RunError({ run, problem: "Finished" })) : Effect.void
      }),
    )

/**
 * The runs in the database.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Runs, never, Database> = Layer.effect(
  Runs,
  Effect.gen(function* () {
    const database = yield* Database
    const { patiently } = database
    const list: Service["list"] = ({ limit = defaultLimit, tenant } = {}) =>
      patiently((sql) => {
        const ofTenant = tenant === undefined ? sql.literal("") : sql`where run.tenant = ${tenant}::uuid`
        return sql`${RunRows.select(sql)} ${ofTenant} order by run.at desc, run.run limit ${String(limit)}::int`
      }).pipe(
        Effect.flatMap(decodeRuns),
        Effect.map((rows) => rows.map(RunRows.toRun)),
      )
    const get: Service["get"] = (run) =>
      patiently((sql: SqlClient) => sql`${RunRows.select(sql)} where run.run = ${run}::uuid`).pipe(
        Effect.flatMap(decodeRuns),
        Effect.flatMap(([found]) =>
          found === undefined
            ? Effect.fail(new RunError({ run, problem: "Unknown" }))
            : Effect.succeed(RunRows.toRun(found)),
        ),
      )
    return {
      submit: makeSubmit(database),
      list,
      countOpen: (tenant) =>
        patiently(
          (sql) => sql`select count(*)::int4 as open from live_response.cluster_runs
            where tenant = ${tenant}::uuid and state in ('queued', 'running')`,
        ).pipe(
          Effect.flatMap(decodeCounts),
          Effect.map(([row]) => row?.open ?? 0),
        ),
      get,
      watch: makeWatch(patiently, get),
      execution: makeExecution(database),
      cancel: makeCancel(database),
      changedFiles: (tenant, session) =>
        patiently((sql) => selectKnown(sql, sql`${tenant}::uuid`, session.comment)).pipe(
          Effect.flatMap(decodeKnown),
          Effect.map((known) => SessionIdentity.changedFiles(toKnown(known), session)),
        ),
    }
  }),
)
