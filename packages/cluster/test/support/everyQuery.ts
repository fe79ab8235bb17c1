/** Every query of this package on large tables, by its name. */
import type * as Database from "@live-response/cluster/Database"
import type { DatabaseError } from "@live-response/cluster/DatabaseError"
import * as OpenRuns from "@live-response/cluster/OpenRuns"
import * as PgFleetJournal from "@live-response/cluster/PgFleetJournal"
import * as PgManifest from "@live-response/cluster/PgManifest"
import * as PgPositions from "@live-response/cluster/PgPositions"
import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
import * as Retention from "@live-response/cluster/Retention"
import * as Runs from "@live-response/cluster/Runs"
import type * as ClusterRun from "@live-response/cluster/ClusterRun"
import * as TenantOwner from "@live-response/cluster/TenantOwner"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as Tenants from "@live-response/cluster/Tenants"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as Manifest from "@live-response/core/Manifest"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import type * as QuotaStoreError from "@live-response/core/QuotaStoreError"
import type { StoreError } from "@live-response/core/StoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { other } from "../../../core/test/support/JournalSuite.ts"
import { completed, failed } from "../../../core/test/support/ManifestSuite.ts"
import { positionAt, sessions } from "../../../core/test/support/PositionSuite.ts"
import * as RunLog from "../../src/internal/runLog.ts"
import { resultAt, runOfQueries, tenantAt } from "./manyRows.ts"

/** What the queries need, as the owner of the tenant that has most rows. `database` is that of runners. */
export const layerOf = <E>(database: Layer.Layer<Database.Database, E>) => {
  const registry = Tenants.layer.pipe(Layer.provideMerge(database))
  return Layer.mergeAll(
    PgManifest.layer,
    PgFleetJournal.layer,
    PgPositions.layer,
    PgQuotaStore.layer,
    Runs.layer,
    TenantStatus.layer,
  ).pipe(Layer.provideMerge(TenantOwner.layer(tenantAt(0))), Layer.provideMerge(registry))
}

const runOptions = { adopt: false, cancelBlocking: false, retryFailed: false }

const machineAt = (n: number) => String(n % 1000).padStart(40, "0")

/** A query, of a number that differs each time. */
export type Query = (
  n: number,
) => Effect.Effect<
  unknown,
  | StoreError
  | QuotaStoreError.QuotaStoreError
  | QuotaStoreError.QuotaFull
  | QuotaStore.Permit
  | DatabaseError
  | Tenants.TenantError
  | ClusterRun.RunError
  | ClusterRun.Failure,
  Database.Database
>

/** The queries by their names. The tables are those of `manyRows`, with this many results. */
export const everyQuery = Effect.fnUntraced(function* (results: number) {
  const manifest = yield* Manifest.Manifest
  const journal = yield* FleetJournal.FleetJournal
  const positions = yield* FollowPosition.FollowPosition
  const tenants = yield* Tenants.Tenants
  const runs = yield* Runs.Runs
  const status = yield* TenantStatus.TenantStatus
  const run = yield* journal.open(other)
  const log = yield* RunLog.make
  const { open } = yield* QuotaStore.QuotaStore
  const lease = Duration.minutes(2)
  const quota = yield* open({
    name: "log 0",
    lease,
    windows: QuotaRule.windowsOf({ perMinute: 10_000, perHour: 100_000 }),
  })
  const full = yield* open({ name: "log 1", lease, windows: QuotaRule.windowsOf({ perMinute: 1, perHour: 50 }) })
  const queries: Readonly<Record<string, Query>> = {
    "find a result": (n: number) => manifest.find(resultAt(n)),
    "record a result": (n: number) => manifest.append(completed(resultAt(n))),
    "record a failure": (n: number) => manifest.append(failed(resultAt(n + 1))),
    "list the failures of a tenant": () => manifest.failed,
    "open a session": () => journal.open(other),
    "find a machine of a session": (n: number) => run.find(machineAt(n)),
    "record a machine of a session": (n: number) =>
      run.append(FleetJournal.NotStarted.make({ run: run.id, machineId: machineAt(n) })),
    "find a position": () => positions.find(sessions),
    "save a position": (n: number) => positions.save(sessions, positionAt(n % 100)),
    "take a permit": () => Effect.flatMap(quota.acquire, ({ answered }) => answered),
    "give a permit back": () => Effect.flatMap(quota.acquire, ({ release }) => release),
    "ask a full quota": () => Effect.flip(full.acquire),
    "be throttled": () => full.throttled(Duration.millis(1)),
    "state of a quota": () => quota.status,
    "calls of a quota": () => quota.calls,
    "list the tenants": () => tenants.list,
    "claim a tenant": () => tenants.claim(tenantAt(1)),
    "count the open runs of a tenant": () => runs.countOpen(tenantAt(0)),
    "submit and cancel a run": () =>
      Effect.flatMap(
        runs.submit({
          tenant: tenantAt(2),
          session: other,
          machines: ["a", "b"],
          options: runOptions,
          submittedBy: "soc",
        }),
        runs.cancel,
      ),
    "watch a run that has finished": () => Stream.runDrain(runs.watch(runOfQueries)),
    "find the stored results of a run": (n: number) => log.completed([resultAt(n), resultAt(n + 1), resultAt(n + 2)]),
    "find the sessions of a run": () => Stream.runDrain(log.sessions(runOfQueries)),
    "who executes a run": () => runs.execution(runOfQueries),
    "list the runs": () => runs.list(),
    "list the runs of a tenant": () => runs.list({ tenant: tenantAt(2) }),
    "files of a session": () => runs.changedFiles(tenantAt(2), other),
    "read the open runs": () =>
      OpenRuns.OpenRuns.use(({ of }) => Stream.runHead(Stream.filter(of(tenantAt(0)), (open) => open.length > 0))).pipe(
        Effect.provide(OpenRuns.layer, { local: true }),
      ),
    "status of a tenant": () => status.get(tenantAt(0)),
    "status of all tenants": () => status.list,
    "runners of all tenants": () => status.runners,
    "remove what is old": () => Retention.removeOld({ results: Duration.seconds(results - 2000) }),
  }
  return Object.entries(queries)
})
