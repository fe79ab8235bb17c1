/** Simulated tenants: each has a service of its own on a socket, and a row in the registry. */
import * as Tenants from "@live-response/cluster/Tenants"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { named, newTenant } from "./newTenants.ts"

/** The token that every simulated service accepts. */
export const token = "a-token-of-the-cluster"

/** The content of a result: its name, so that a result of another tenant or another action is recognised. */
export const contentOf = (tenant: string, ref: ResultRef): Uint8Array =>
  new TextEncoder().encode(`${tenant} ${String(ref)}\n`.repeat(200))

/** A tenant whose service has these results. It is in the registry until the scope closes: later runners would collect it too. */
export const simulated = Effect.fnUntraced(function* (
  name: string,
  refs: ReadonlyArray<ResultRef>,
  options?: Simulator.Options,
) {
  const tenant = newTenant()
  const simulator = yield* Simulator.make({ tokens: [token], ...options })
  const addResult = (ref: ResultRef) => simulator.add(ref, { content: contentOf(tenant, ref) })
  yield* Effect.forEach(refs, addResult, { discard: true })
  const server = yield* Layer.build(
    SimulatorServer.layer().pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  )
  const endpoint = HttpServer.formatAddress(Context.get(server, HttpServer.HttpServer).address)
  const { add, remove } = yield* Tenants.Tenants
  const settings = { ...named(name), endpoint, storagePrefix: `tenants/${tenant}` }
  // A test may have removed it itself.
  yield* Effect.acquireRelease(add(tenant, settings), () => Effect.ignore(remove(tenant)))
  return { tenant, simulator, addResult }
})
