/**
 * Serves the sample data on 127.0.0.1, by the simulator: for `simulate` and `demo`.
 */
import * as Simulator from "@live-response/core/testing/Simulator"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type Failure, portProblem } from "../../Failure.ts"
import type { SampleResult } from "../demo/sampleData.ts"

/** The bearer token that the simulator accepts. It is not a secret: it opens nothing but the simulator. */
export const token = "simulated-token"

/** The sessions that left the results were on the machines, in turn: without names, every list of them would be one of zeros. */
const nameMachines = Effect.fnUntraced(function* (
  { actions, addAction }: Simulator.Service,
  results: ReadonlyArray<SampleResult>,
  machines: ReadonlyArray<Simulator.Machine>,
) {
  const ids = Array.from(new Set(results.map(({ ref }) => ref.machineActionId)))
  const known = new Map((yield* actions).map((action) => [action.id, action]))
  for (const [i, id] of ids.entries()) {
    const [action, machine] = [known.get(id), machines[i % machines.length]]
    if (action !== undefined && machine !== undefined) {
      yield* addAction({ ...action, machineId: machine.id, computerDnsName: machine.name ?? null })
    }
  }
})

/** Serves the results until the scope closes. Returns the base URL. */
export const serve = Effect.fnUntraced(function* (
  results: ReadonlyArray<SampleResult>,
  options: Simulator.Options & { readonly port: number },
): Effect.fn.Return<string, Failure, Scope.Scope> {
  const simulator = yield* Simulator.make({ ...options, tokens: [token] })
  yield* Effect.forEach(results, ({ ref, result }) => simulator.add(ref, result), { discard: true })
  yield* nameMachines(simulator, results, options.machines ?? [])
  const context = yield* Layer.build(
    SimulatorServer.layer(options).pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  ).pipe(Effect.mapError(({ cause }) => portProblem(`127.0.0.1:${options.port}`, cause)))
  return HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
})
