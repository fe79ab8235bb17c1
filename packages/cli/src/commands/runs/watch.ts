/**
 * Shows a run of the cluster as `live-response run` shows one of its own: with its events, its progress and its summary.
 */
import type { ClusterRun, RunEvent } from "@live-response/cluster/ClusterRun"
import * as Collector from "@live-response/cluster/Collector"
import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
import { Runs } from "@live-response/cluster/Runs"
import * as Tenants from "@live-response/cluster/Tenants"
import * as Quota from "@live-response/core/Quota"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Failure from "../../Failure.ts"
import * as EventOutput from "../../output/EventOutput.ts"
import * as FleetProgress from "../../output/FleetProgress.ts"
import * as Execution from "./execution.ts"

export interface Options extends Pick<EventOutput.Options, "json" | "quiet" | "names" | "noProgress" | "onOutcome"> {}

/** What is reported before the events of a run: that it was submitted, and what was left out. */
export type Introduce = (output: EventOutput.EventOutput) => Effect.Effect<void>

/** The quota of the runners, which the progress shows. Nobody calls the API of a tenant that was removed, or can't be read. */
const quotaOf = Effect.fnUntraced(function* ({ tenant: id }: ClusterRun) {
  const { get } = yield* Tenants.Tenants
  const owner = yield* get(id).pipe(
    Effect.map((tenant) =>
      NodeLiveResponse.quotaOwner({ endpoint: Tenants.cloudOf(tenant).base, owner: Collector.quotaOwner(tenant) }),
    ),
    Effect.catchTag("TenantError", () => Effect.succeed(`tenant ${id}`)),
  )
  return Quota.layer({ owner }).pipe(Layer.provide(PgQuotaStore.layer))
})

const reportTo = (output: EventOutput.EventOutput) => (event: RunEvent) => {
  if ("session" in event) return output.reportFleetEvent(event.session)
  return "result" in event ? output.reportEvent(event.result) : output.reportUnavailable(event.unavailable)
}

const show = Effect.fnUntraced(function* (
  { machines, run, tenantName }: ClusterRun,
  options: Options,
  introduce: Introduce,
) {
  const { watch } = yield* Runs
  const fleet = FleetProgress.make()
  fleet.total = machines
  const output = yield* EventOutput.make({ ...options, inCluster: { run, tenant: tenantName } }, fleet)
  const events = Stream.runForEach(watch(run), reportTo(output))
  const watching = options.quiet ? events : Effect.raceFirst(events, Execution.report(run))
  yield* introduce(output).pipe(Effect.andThen(watching), output.during)
  if (output.hasFailed()) return yield* Failure.someFailed
}, Effect.scoped)

/** Shows a run until it has finished. Fails as the run did, and where a machine or a result failed. */
export const watch = Effect.fnUntraced(function* (
  run: ClusterRun,
  options: Options,
  introduce: Introduce = () => Effect.void,
) {
  yield* Effect.provide(show(run, options, introduce), yield* quotaOf(run))
})
