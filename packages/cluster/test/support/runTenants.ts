/** Tenants with a simulated service each, and the runs that are submitted to them. */
import type { ClusterRun, RunEvent, RunOptions } from "@live-response/cluster/ClusterRun"
import * as Runs from "@live-response/cluster/Runs"
import * as Tenants from "@live-response/cluster/Tenants"
import * as Session from "@live-response/core/Session"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { named, newTenant, registry } from "./owners.ts"
import { executeFor, token } from "./runs.ts"

export const session = Session.Session.make({
  commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
  comment: "case 4711",
})

export const options: RunOptions = { adopt: false, cancelBlocking: false, retryFailed: false }

/** What submits runs and watches them. */
export const services = Runs.layer.pipe(Layer.provideMerge(registry))

/** A tenant with a simulated service of its own, and what submits runs to it. */
export const tenantWith = Effect.fnUntraced(function* (simulated: Simulator.Options) {
  const tenant = newTenant()
  yield* Tenants.Tenants.use(({ add }) => add(tenant, named("contoso")))
  const simulator = yield* Simulator.make({
    commandTime: "100 millis",
    visibleAfter: "0 millis",
    runsPerMinute: 1000,
    tokens: [token],
    ...simulated,
  })
  const served = yield* Layer.build(
    SimulatorServer.layer().pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  )
  const endpoint = HttpServer.formatAddress(Context.get(served, HttpServer.HttpServer).address)
  const runs = yield* Runs.Runs
  const submit = (request: Partial<Runs.Request> = {}) =>
    runs.submit({
      tenant,
      session,
      machines: (simulated.machines ?? []).map(({ id }) => id),
      options,
      submittedBy: "analyst",
      ...request,
    })
  /** How many sessions each machine had. */
  const sessions = Effect.map(simulator.actions, (actions) => {
    const counts = new Map<unknown, number>()
    for (const { machineId } of actions) counts.set(machineId, (counts.get(machineId) ?? 0) + 1)
    return Array.from(counts.values())
  })
  return { tenant, endpoint, simulator, runs, submit, sessions, own: executeFor(tenant, endpoint) }
})

/** What an event is about, in short. */
export const nameOf = (event: RunEvent): string => {
  if ("session" in event) {
    const { session } = event
    return session.event === "ended" && session.earlier ? "ended earlier" : session.event
  }
  return "result" in event ? `result ${event.result.event}` : "unavailable"
}

export const namesOf = (events: ReadonlyArray<RunEvent>): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const event of events) counts[nameOf(event)] = (counts[nameOf(event)] ?? 0) + 1
  return counts
}

export const watchAll = (run: ClusterRun["run"]) => Runs.Runs.use(({ watch }) => Stream.runCollect(watch(run)))
