/** A customer's tenant: its API and its sign-in are a simulator over TLS, as `@azure/identity` demands. */
import { chmodSync } from "node:fs"
import * as Simulator from "@live-response/core/testing/Simulator"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as Certificate from "@live-response/node/testing/Certificate"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import type * as Cli from "./Cli.ts"

export const tenantId = "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f"
export const clientId = "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11"
export const secret = "a-secret-that-nobody-shows"

export const contentOf = (ref: ResultRef): string => `the content of ${String(ref)}\n`.repeat(100)

/** Serves the tenant until the scope closes. */
export const serve = Effect.fnUntraced(function* (refs: ReadonlyArray<ResultRef>, options: Simulator.Options = {}) {
  const tls = yield* Certificate.selfSigned
  const simulator = yield* Simulator.make({ ...options, app: { clientId, tenantId, clientSecret: secret } })
  const add = (ref: ResultRef) => simulator.add(ref, { content: new TextEncoder().encode(contentOf(ref)) })
  yield* Effect.forEach(refs, add, { discard: true })
  const server = yield* Layer.build(
    SimulatorServer.layer({ tls }).pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  ).pipe(Effect.orDie)
  const { address } = Context.get(server, HttpServer.HttpServer)
  const endpoint = HttpServer.formatAddress(address).replace("http:", "https:")
  return { simulator, add, endpoint, env: { NODE_EXTRA_CA_CERTS: tls.path } }
})

/** The arguments that add it to the registry, with the secret in a file of the sandbox. */
export const adding = (box: Cli.Sandbox, endpoint: string): ReadonlyArray<string> => {
  chmodSync(box.path(box.write("credentials/contoso", secret)), 0o600)
  const credential = ["--credential", "app", "--client-id", clientId, "--credential-file", "contoso"]
  const address = ["--endpoint", endpoint, "--authority", endpoint, "--storage-prefix", "customers/contoso"]
  return ["tenants", "add", tenantId, "--name", "Contoso", ...credential, ...address]
}
