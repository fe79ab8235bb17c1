/** Calls a worker as its runtime does, for results of a simulated API on a socket. Prints the status and size of each answer. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as Runtime from "./runtime.ts"
import * as Samples from "./samples.ts"

export interface Worker {
  readonly fetch: (request: Request, env: Readonly<Record<string, string>>) => Response
}

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
  const fetch = Effect.fnUntraced(function* (path: string) {
    const response = worker.fetch(new Request(`http://worker.example/${path}`), environment)
    const { byteLength } = yield* Effect.promise(() => response.arrayBuffer())
    return `${response.status} ${byteLength}`
  })
  const paths = [...Samples.samples.slice(6, 9).map(({ ref }) => String(ref)), "nonsense"]
  const answers = yield* Effect.forEach(paths, fetch, { concurrency: "unbounded" })
  yield* Console.log(answers.join(", "))
}, Effect.scoped)
