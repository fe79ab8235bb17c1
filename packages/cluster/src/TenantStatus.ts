/**
 * How the work on each tenant goes: what was collected, when the API was last searched, and the last error.
 *
 * @since 0.1.0
 */
import * as Outage from "@live-response/core/Outage"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import * as Background from "./internal/background.ts"
import * as LastTime from "./internal/lastTime.ts"
import { rowsOf } from "./internal/rows.ts"
import type { Service as TenantOwner } from "./TenantOwner.ts"
import { TenantId } from "./Tenants.ts"

const Count = Schema.Int
const Time = Schema.DateTimeUtcFromString

/**
 * The status of a tenant. A field that is absent has not happened yet.
 *
 * **Details**
 *
 * - `completed` and `bytes`: the results that were stored, and their size. `failed`: those whose last outcome is a failure.
 * - `completedAt`: when the last result was stored.
 * - `runner`, `startedAt`: which runner took the tenant last, and when.
 * - `lookedAt`: when the API was last searched for new machine actions with success, to some seconds.
 * - `handledUntil`: every action that was created before is handled, except the `open` ones.
 * - `readAt`: when the database was asked, by its own clock, as all other times are.
 * - `error`, `errorAt`: why nothing is collected, until what failed works again: a search, or else a result that is stored or five minutes
 *   without another failure.
 *
 * @since 0.1.0
 * @category models
 */
export const Status = Schema.Struct({
  tenant: TenantId,
  completed: Count,
  failed: Count,
  bytes: Count,
  completedAt: Schema.optionalKey(Time),
  runner: Schema.optionalKey(Schema.String),
  startedAt: Schema.optionalKey(Time),
  lookedAt: Schema.optionalKey(Time),
  handledUntil: Schema.optionalKey(Time),
  open: Count,
  readAt: Time,
  error: Schema.optionalKey(Schema.String),
  errorAt: Schema.optionalKey(Time),
})

/**
 * @since 0.1.0
 * @category models
 */
export type Status = typeof Status.Type

/**
 * How far collecting was behind when the status was read: the time since the last successful search, by the clock of the database
 * alone. None if the API was never searched.
 *
 * **Gotchas**
 *
 * An action that was found, and whose session or results are still in progress, is not behind: `open` counts those.
 *
 * @since 0.1.0
 * @category conversions
 */
export const lagOf = ({ lookedAt, readAt }: Pick<Status, "lookedAt" | "readAt">): Option.Option<Duration.Duration> =>
  // After a failover, the clock may be that of another server, which is behind.
  Option.map(Option.fromNullishOr(lookedAt), (since) => Duration.max(DateTime.distance(since, readAt), Duration.zero))

/**
 * What failed, and so what must succeed before the error is removed: a `search` of the API, or the `work` on results. Searches
 * also succeed while no result can be stored.
 *
 * @since 0.1.0
 * @category models
 */
export type Failing = "search" | "work"

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The status of all tenants of the registry, by their names. */
  readonly list: Effect.Effect<ReadonlyArray<Status>, DatabaseError>

  /** Which runner has claimed each tenant of the registry last, where one has: less than `list` reads. */
  readonly runners: Effect.Effect<ReadonlyArray<Pick<Status, "tenant" | "runner">>, DatabaseError>

  /** The status of one tenant; none if it is not in the registry. */
  readonly get: (tenant: TenantId) => Effect.Effect<Option.Option<Status>, DatabaseError>

  /**
   * Records that the API was searched with success. It is written within some seconds, together with those of other tenants. That of an
   * earlier owner is ignored, as in `failed`.
   */
  readonly looked: (owner: TenantOwner) => Effect.Effect<void>

  /**
   * How long ago PostgreSQL last accepted a write of this program, whatever the clock of the machine did since. None before the first one.
   *
   * **Details**
   *
   * The times of searches are written every five seconds. Where there is none to write, the statement changes no row, and is refused all
   * the same by a server that accepts no writes, or where the role may not write.
   */
  readonly sinceWrite: Effect.Effect<Option.Option<Duration.Duration>>

  /** Records why nothing is collected. */
  readonly failed: (owner: TenantOwner, failing: Failing, message: string) => Effect.Effect<void, DatabaseError>
}

/**
 * The status of the work on each tenant.
 *
 * @since 0.1.0
 * @category services
 */
export class TenantStatus extends Context.Service<TenantStatus, Service>()("@live-response/cluster/TenantStatus") {}

/** JSON leaves the types of numbers and times to the schema, and absent fields absent. */
const decodeRows = rowsOf(Schema.Struct({ status: Schema.fromJsonString(Status) }))

/** One row for each tenant, by the keys of the tables alone: it reads no results. */
const select = (sql: SqlClient, condition: Fragment) => sql`
  select json_strip_nulls(json_build_object('tenant', t.tenant, 'completed', coalesce(s.completed, 0),
      'failed', coalesce(s.failed, 0), 'bytes', coalesce(s.bytes, 0), 'completedAt', s.completed_at,
      'runner', s.runner, 'startedAt', s.started_at, 'lookedAt', s.looked_at, 'error', s.error, 'errorAt', s.error_at,
      'readAt', now(), 'handledUntil', p.position->>'since', 'open', coalesce(json_array_length(p.position->'open'), 0)))::text as status
    from live_response.tenants t left join live_response.tenant_status s using (tenant) left join lateral (
      select position from live_response.positions where tenant = t.tenant order by updated_at desc limit 1) p on true
    where not t.removed and ${condition} order by t.name, t.tenant`

const decodeRunners = rowsOf(Schema.Struct({ tenant: TenantId, runner: Schema.NullOr(Schema.String) }))

const selectRunners = (sql: SqlClient) => sql`
  select t.tenant::text as tenant, s.runner from live_response.tenants t
    left join live_response.tenant_status s using (tenant) where not t.removed`

/** How often searches are written. */
const flushEvery = "5 seconds"

/** A search since the last write. It `clears` an error that is one of searches, unless that came later. */
interface Look {
  readonly epoch: number
  readonly clears: boolean
}

/** The searches since the last write, and what failed last of each tenant, as far as this program knows. */
const makeLooks = Effect.gen(function* () {
  const { patiently } = yield* Database
  const looks = new Map<TenantId, Look>()
  const failures = new Map<TenantId, Failing>()
  const reporting = Outage.reporting<DatabaseError>(
    "the times of searches are written again",
    ({ message }) => `the times of searches are not written: ${message}`,
  )
  const written = LastTime.make()

  const flush = Effect.suspend(() => {
    const tenants = Array.from(looks.keys())
    const epochs = Array.from(looks.values(), ({ epoch }) => epoch)
    const clears = Array.from(looks.values(), ({ clears }) => clears)
    looks.clear()
    return patiently(
      (sql) => sql`update live_response.tenant_status s set looked_at = now(),
          error = case when l.is_over then null else s.error end, error_at = case when l.is_over then null else s.error_at end
        from (select n.tenant, n.epoch,
            n.clears or e.completed_at > e.error_at or e.error_at < now() - interval '5 minutes' as is_over
          from unnest(${`{${tenants.join(",")}}`}::uuid[], ${`{${epochs.join(",")}}`}::int[],
            ${`{${clears.join(",")}}`}::boolean[]) as n (tenant, epoch, clears)
          join live_response.tenant_status e using (tenant)) l
        where s.tenant = l.tenant and s.epoch = l.epoch`,
    ).pipe(Effect.tap(written.mark), reporting)
  })
  yield* Background.repeat("the record of searches", flush, flushEvery)
  return {
    sinceWrite: written.since,
    looked: ({ epoch, tenant }: TenantOwner) =>
      Effect.sync(() => void looks.set(tenant, { epoch, clears: failures.get(tenant) === "search" })),
    failing: ({ tenant }: TenantOwner, failing: Failing) =>
      Effect.sync(() => {
        failures.set(tenant, failing)
        const look = looks.get(tenant)
        if (look !== undefined) looks.set(tenant, { ...look, clears: false })
      }),
  }
})

const make = Effect.gen(function* () {
  const { patiently } = yield* Database
  const read = (condition: (sql: SqlClient) => Fragment) =>
    patiently((sql) => select(sql, condition(sql))).pipe(
      Effect.flatMap(decodeRows),
      Effect.map((rows) => rows.map(({ status }) => status)),
    )

  const { failing, looked, sinceWrite } = yield* makeLooks
  const service: Service = {
    list: read((sql) => sql`true`),
    runners: patiently(selectRunners).pipe(
      Effect.flatMap(decodeRunners),
      Effect.map((rows) => rows.map(({ runner, tenant }) => ({ tenant, ...(runner === null ? {} : { runner }) }))),
    ),
    get: (tenant) =>
      Effect.map(
        read((sql) => sql`t.tenant = ${tenant}::uuid`),
        ([status]) => Option.fromNullishOr(status),
      ),
    looked,
    sinceWrite,
    failed: (owner, what, message) =>
      Effect.andThen(
        failing(owner, what),
        patiently(
          (sql) => sql`insert into live_response.tenant_status (tenant, epoch, error, error_at)
            select tenant, epoch, ${TerminalText.shorten(message)}, now() from live_response.tenants
              where tenant = ${owner.tenant}::uuid and epoch = ${String(owner.epoch)}::int and enabled
            on conflict (tenant) do update set (epoch, error, error_at) = (excluded.epoch, excluded.error, excluded.error_at)`,
        ),
      ),
  }
  return service
})

/**
 * The status in the database.
 *
 * **Details**
 *
 * Results are counted in the statement that records them, so that reading the status costs the same with a hundred results and with
 * a hundred million. The counts are of all time: rows that `Retention` removes stay counted.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<TenantStatus, never, Database> = Layer.effect(TenantStatus, make)
