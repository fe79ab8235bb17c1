/** Calls a worker as its runtime does: once, for a result of a simulated API on a socket. Prints how many bytes it streams. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as Runtime from "./runtime.ts"
import * as Samples from "./samples.ts"

export interface Worker {
  readonly fetch: (request: Request, env: Readonly<Record<string, string>>) => Promise<Response>
}

/** The result of the samples whose first link has expired. */
const expired = Samples.samples[7]

export const callWorker = Effect.fnUntraced(function* (worker: Worker) {
  const { handler } = yield* Samples.make
  const { port } = yield* Effect.acquireRelease(
    Effect.sync(() => Runtime.serve(HttpEffect.toWebHandler(handler))),
    ({ stop }) => Effect.promise(stop),
  )
  const api = `http://127.0.0.1:${port}`
  const environment = {
    LIVE_RESPONSE_ENDPOINT: api,
    AZURE_AUTHORITY_HOST: api,
    AZURE_TENANT_ID: "contoso",
    AZURE_CLIENT_ID: "evidence",
    AZURE_CLIENT_SECRET: "a-secret-for-runtimes",
  }
  const fetch = (path: string) =>
    Effect.promise(() => worker.fetch(new Request(`http://worker.example/${path}`), environment))
  const found = yield* fetch(String(expired?.ref))
  const { byteLength } = yield* Effect.promise(() => found.arrayBuffer())
  const missing = yield* fetch("nonsense")
  yield* Console.log(`${found.status} ${byteLength} ${missing.status}`)
}, Effect.scoped)
