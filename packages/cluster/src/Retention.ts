/**
 * Removes rows that nothing needs any more.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { rowsOf } from "./internal/rows.ts"

/**
 * How long rows stay.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /**
   * Calls of quotas that no program opens any more. By default 31 days: more than the longest window that programs here have.
   * A quota in use removes its own calls, as `PgQuotaStore` says.
   */
  readonly quota?: Duration.Input | undefined

  /**
   * Results in the manifest, counted from their last outcome. By default they stay for ever. Files in the object store stay
   * in any case.
   *
   * **Gotchas**
   *
   * A result that is removed while Microsoft still lists its action can be downloaded again: choose more than the 180 days
   * for which Defender retains data.
   */
  readonly results?: Duration.Input | undefined

  /**
   * Runs that were given to the cluster, counted from their end, with their events. By default 90 days. The journal of their
   * sessions stays, so the same run still starts no session twice.
   */
  readonly runs?: Duration.Input | undefined
}

/**
 * How many rows were removed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Removed {
  readonly calls: number
  readonly results: number
  readonly runs: number
}

const decodeRemoved = rowsOf(Schema.Struct({ removed: Schema.Int }))

/** So few that a statement takes a fraction of a second, and holds its locks no longer. */
const batch = 5000

type Remove = (sql: SqlClient, olderThan: string) => Effect.Effect<ReadonlyArray<unknown>, SqlError>

const removeCalls: Remove = (sql, olderThan) =>
  sql`select live_response.quota_remove_old(now() - ${olderThan}::interval, ${String(batch)}::int) as removed`

// The outer condition is checked again on a row that its owner has changed meanwhile.
const removeResults: Remove = (sql, olderThan) => sql`with old as (
    select tenant, machine_action_id, idx from live_response.manifest where at < now() - ${olderThan}::interval
      limit ${String(batch)}::int),
  gone as (
    delete from live_response.manifest m using old
      where m.tenant = old.tenant and m.machine_action_id = old.machine_action_id and m.idx = old.idx
        and m.at < now() - ${olderThan}::interval
      returning 1)
  select count(*)::int4 as removed from gone`

/**
 * The rows of a table that belong to runs which ended long ago. A run may have hundreds of thousands of them, and its index finds
 * them whatever the planner expects: `lateral` with a limit leaves it no other way. Nothing writes to them any more, so their place
 * in the table names them.
 */
const removeOfRuns =
  (table: string): Remove =>
  (sql, olderThan) =>
    sql`with gone as (delete from live_response.${sql(table)} where ctid = any (array(
        select part.ctid from live_response.cluster_runs run
          cross join lateral (select ctid from live_response.${sql(table)} part where part.run = run.run
            order by n limit ${String(batch)}::int) part
          where run.ended_at < now() - ${olderThan}::interval limit ${String(batch)}::int))
        returning 1)
      select count(*)::int4 as removed from gone`

/** Those of which nothing else is left. */
const removeRuns: Remove = (sql, olderThan) => sql`with gone as (
    delete from live_response.cluster_runs where ctid = any (array(
      select ctid from live_response.cluster_runs where ended_at < now() - ${olderThan}::interval
        order by ended_at limit ${String(batch)}::int))
      returning 1)
  select count(*)::int4 as removed from gone`

const quotaAge = Duration.days(31)

const runAge = Duration.days(90)

/** Removes batches until one is not full. */
const removeAll = Effect.fnUntraced(function* (remove: Remove, age: Duration.Input) {
  const { patiently } = yield* Database
  const olderThan = `${Duration.toMillis(Duration.fromInputUnsafe(age))} milliseconds`
  let total = 0
  yield* patiently((sql) => remove(sql, olderThan)).pipe(
    Effect.flatMap(decodeRemoved),
    Effect.map(([row]) => row?.removed ?? 0),
    Effect.tap((removed) =>
      Effect.sync(() => {
        total += removed
      }),
    ),
    Effect.repeat({ while: (removed) => removed >= batch }),
  )
  return total
})

/**
 * Removes the rows that are too old now, in batches, while runners continue.
 *
 * @since 0.1.0
 * @category constructors
 */
export const removeOld = Effect.fn("Retention.removeOld")(function* (
  options: Options = {},
): Effect.fn.Return<Removed, DatabaseError, Database> {
  const calls = yield* removeAll(removeCalls, options.quota ?? quotaAge)
  const results = options.results === undefined ? 0 : yield* removeAll(removeResults, options.results)
  const age = options.runs ?? runAge
  yield* removeAll(removeOfRuns("cluster_run_events"), age)
  yield* removeAll(removeOfRuns("cluster_run_machines"), age)
  return { calls, results, runs: yield* removeAll(removeRuns, age) }
})

/**
 * Removes old rows every hour.
 *
 * **When to use**
 *
 * On one runner of a cluster, as a piece of work of its own.
 *
 * @example
 * ```ts
 * import * as Cluster from "@live-response/cluster/Cluster"
 * import * as Retention from "@live-response/cluster/Retention"
 *
 * export const retention = Cluster.Cluster.use(({ each }) => each("retention", Retention.run({ results: "400 days" })))
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (options: Options = {}): Effect.Effect<never, DatabaseError, Database> =>
  removeOld(options).pipe(
    Effect.tap(({ calls, results, runs }) =>
      calls + results + runs === 0
        ? Effect.void
        : Effect.logInfo(`removed what is too old: ${results} results, ${runs} runs and ${calls} calls of quotas`),
    ),
    Effect.repeat(Schedule.spaced("1 hour")),
    Effect.andThen(Effect.never),
  )
