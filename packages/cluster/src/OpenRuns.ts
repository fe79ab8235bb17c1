/**
 * The runs that wait for a runner or are executed by one, read once for all tenants of this program.
 *
 * @since 0.1.0
 */
import * as Outage from "@live-response/core/Outage"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { RunId } from "./ClusterRun.ts"
import { Database } from "./Database.ts"
import * as Background from "./internal/background.ts"
import { rowsOf } from "./internal/rows.ts"
import { TenantId } from "./Tenants.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface OpenRun {
  readonly run: RunId

  /** Whether a user has cancelled it. */
  readonly isCancelling: boolean
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The open runs of a tenant, the oldest first: what they are now, and again after each reading of the database. */
  readonly of: (tenant: TenantId) => Stream.Stream<ReadonlyArray<OpenRun>>
}

/**
 * The open runs of all tenants.
 *
 * @since 0.1.0
 * @category services
 */
export class OpenRuns extends Context.Service<OpenRuns, Service>()("@live-response/cluster/OpenRuns") {}

const decode = rowsOf(Schema.Struct({ run: RunId, tenant: TenantId, isCancelling: Schema.Boolean }))

/**
 * Reads the open runs every two seconds, with one statement, however many tenants there are.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<OpenRuns, never, Database> = Layer.effect(
  OpenRuns,
  Effect.gen(function* () {
    const { patiently } = yield* Database
    const current = yield* SubscriptionRef.make<ReadonlyMap<TenantId, ReadonlyArray<OpenRun>>>(new Map())
    const read = patiently(
      (sql) => sql`select run::text as run, tenant::text as tenant, is_cancelling as "isCancelling"
        from live_response.cluster_runs where state in ('queued', 'running') order by at, run`,
    ).pipe(Effect.flatMap(decode))
    const refresh = read.pipe(
      Effect.flatMap((rows) =>
        SubscriptionRef.set(
          current,
          Map.groupBy(rows, ({ tenant }) => tenant),
        ),
      ),
      Outage.reporting(
        "the runs that wait are read again",
        ({ message }) => `the runs that wait are not read: ${message}`,
      ),
    )
    yield* Background.repeat("the reading of the runs that wait", refresh, "2 seconds")
    return {
      of: (tenant) => Stream.map(SubscriptionRef.changes(current), (open) => open.get(tenant) ?? []),
    }
  }),
)
