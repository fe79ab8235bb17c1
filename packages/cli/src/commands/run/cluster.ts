/**
 * `run --cluster`: gives the run to a cluster, and watches it.
 *
 * The submitter selects the machines and uploads to the library, as a run of this machine does: the files and the person who
 * confirms are here, and a runner sees neither. What the runners get is ids of machines and names of files.
 */
import { hostname, userInfo } from "node:os"
import type { ClusterRun, RunOptions } from "@live-response/cluster/ClusterRun"
import { Runs } from "@live-response/cluster/Runs"
import type { Tenant } from "@live-response/cluster/Tenants"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ApiLayer from "../../api/ApiLayer.ts"
import * as Failure from "../../Failure.ts"
import * as EventOutput from "../../output/EventOutput.ts"
import * as MachineNames from "../../output/MachineNames.ts"
import * as StandardError from "../../output/StandardError.ts"
import * as Notification from "../../output/WebhookNotification.ts"
import { printableJson } from "../../output/Printable.ts"
import * as QuotaNotices from "../../output/QuotaNotices.ts"
import * as TenantText from "../../output/TenantText.ts"
import * as RunsHandler from "../runs/handler.ts"
import * as Watch from "../runs/watch.ts"
import { tenantNamed } from "../tenants/handler.ts"
import type * as Machines from "../../input/MachineArguments.ts"
import type { Options as RunCommandOptions } from "./handler.ts"
import * as Preparation from "./preparation.ts"

export interface Options extends Omit<RunCommandOptions, "cluster"> {
  /** The tenant, by its id or its name. */
  readonly cluster: string
}

/** Who submits it, for those who list runs. */
const self = Effect.sync(() => `${userInfo().username}@${hostname()}`)

const optionsOf = ({ adopt = false, cancelBlocking, deadline, retryFailed, sessions }: Options): RunOptions => ({
  adopt,
  cancelBlocking,
  retryFailed,
  ...(sessions === undefined ? {} : { sessions }),
  ...(deadline === undefined ? {} : { deadline }),
})

/** Checks, selects, uploads and queues. Returns the run, and what of the machines is not in it. */
const submit = Effect.fnUntraced(function* (
  named: ReadonlyArray<Machines.Machine>,
  { tenant }: Tenant,
  options: Options,
) {
  const runs = yield* Runs
  const earlier = {
    isResuming: false,
    changedFiles: (session: Options["session"]) => runs.changedFiles(tenant, session),
  }
  const { selected, session } = yield* Preparation.prepare(named, options, earlier)
  const bad: Array<EventOutput.BadInput> = [...selected.unreadable]
  const names = MachineNames.make()
  const ids = yield* Preparation.machineIds(
    Preparation.allMachines(named, options.lists),
    (machine) => Effect.sync(() => void bad.push(machine)),
    names.add,
  ).pipe(Stream.runCollect)
  for (const { computerDnsName, id } of selected.ready) names.add(id, computerDnsName)
  const machines = [...ids, ...selected.ready.map(({ id }) => id)]
  const request = { tenant, session, machines, options: optionsOf(options), submittedBy: yield* self }
  const run = machines.length === 0 ? undefined : yield* runs.get(yield* runs.submit(request))
  return { run, bad, names, leftOut: selected.leftOut }
})

/** Says that the run is queued, and how to watch it. */
const reportSubmitted = Effect.fnUntraced(function* (
  run: ClusterRun,
  tenant: Tenant,
  { json }: Options,
  print: (line: string) => Effect.Effect<void>,
) {
  const { at, machines, run: id } = run
  const next = `live-response runs watch ${id} shows it from any machine`
  yield* StandardError.write(`run ${id}: given to the cluster for ${TenantText.nameOf(tenant)}; ${next}`)
  const fields = { event: "submitted", at: DateTime.formatIso(at), run: id, tenant: tenant.tenant, machines }
  if (json) yield* print(printableJson(JSON.stringify(fields)))
})

const submitAndWatch = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const { detach, json } = options
  const tenant = yield* tenantNamed(options.cluster)
  const { bad, leftOut, names, run } = yield* submit(named, tenant, options).pipe(
    QuotaNotices.during,
    Preparation.patiently(options),
    Effect.provide(ApiLayer.layerOf(options)),
  )
  if (run !== undefined && !detach) {
    const introduce: Watch.Introduce = Effect.fnUntraced(function* ({ print, reportBadMachine, reportLeftOut }) {
      yield* reportSubmitted(run, tenant, options, print)
      yield* reportLeftOut(leftOut)
      yield* Effect.forEach(bad, reportBadMachine, { discard: true })
    })
    const onOutcome = yield* Notification.notifier(options.notify, { command: "run", directory: "" })
    return yield* Watch.watch(run, { ...options, names, onOutcome }, introduce)
  }
  if (run !== undefined) yield* reportSubmitted(run, tenant, options, Console.log)
  yield* Effect.forEach(bad, (each) => EventOutput.reportBad({ json, print: Console.log }, "notStarted", each), {
    discard: true,
  })
  if (bad.length > 0) return yield* Failure.someFailed
}, Effect.scoped)

/** Gives the run to the cluster. */
export const runInCluster = (named: ReadonlyArray<Machines.Machine>, options: Options) =>
  submitAndWatch(named, options).pipe(Effect.provide(RunsHandler.layer))
