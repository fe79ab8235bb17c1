/** Azurite, Microsoft's emulator of its storage. It checks signatures, their expiry, ranges and conditions. */
import { spawn } from "node:child_process"
import { createHmac } from "node:crypto"
import { createServer, type IncomingMessage, request as httpRequest } from "node:http"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { assert } from "@effect/vitest"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"

/** Azurite's account and key are the same everywhere, and public. */
const account = "devstoreaccount1"
const key = Buffer.from(
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
  "base64",
)
const version = "2021-12-02"
const container = "results"

const sign = (text: string) => createHmac("sha256", key).update(text, "utf8").digest("base64")

/** Starts Azurite on a free port until the scope closes, and returns its address. */
const start = Effect.acquireRelease(
  Effect.callback<{ readonly origin: string; readonly stop: () => void }>((resume) => {
    const bin = join(dirname(createRequire(import.meta.url).resolve("azurite/package.json")), "dist/src/blob/main.js")
    const options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--blobPort", "0"]
    const child = spawn(process.execPath, [bin, ...options])
    let output = ""
    const listen = (data: Buffer) => {
      output += data.toString()
      const origin = /listens on (http:\S+)\n/.exec(output)?.[1]
      if (origin !== undefined) resume(Effect.succeed({ origin, stop: () => child.kill("SIGKILL") }))
    }
    child.stdout.on("data", listen)
    child.stderr.on("data", listen)
    child.on("exit", () => resume(Effect.die(`Azurite ended: ${output}`)))
  }),
  ({ stop }) => Effect.sync(stop),
)

interface PutOptions {
  readonly query?: string
  readonly bytes?: Uint8Array
  readonly headers?: Record<string, string>
}

/** One request with the key of the account. */
const signed = Effect.fnUntraced(function* (origin: string, path: string, options: PutOptions) {
  const bytes = options.bytes ?? new Uint8Array()
  const headers = {
    ...options.headers,
    "x-ms-date": DateTime.toDateUtc(yield* DateTime.now).toUTCString(),
    "x-ms-version": version,
  }
  const canonicalHeaders = Object.entries(headers)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}\n`)
    .join("")
  const query = options.query === undefined ? "" : `\n${options.query.replace("=", ":")}`
  const length = bytes.length === 0 ? "" : String(bytes.length)
  const text = `PUT\n\n\n${length}\n\napplication/octet-stream\n\n\n\n\n\n\n${canonicalHeaders}/${account}/${account}/${path}${query}`
  const url = `${origin}/${account}/${path}${options.query === undefined ? "" : `?${options.query}`}`
  const request = HttpClientRequest.put(url).pipe(
    HttpClientRequest.bodyUint8Array(bytes, "application/octet-stream"),
    HttpClientRequest.setHeaders({ ...headers, authorization: `SharedKey ${account}:${sign(text)}` }),
  )
  const response = yield* HttpClient.execute(request)
  assert.strictEqual(response.status, 201, yield* response.text)
}, Effect.orDie)

/** Azurite with an empty container, for what signs its own requests. */
export const emptyContainer = Effect.gen(function* () {
  const { origin } = yield* start
  yield* signed(origin, container, { query: "restype=container" })
  return { origin, account, key: key.toString("base64"), container: `${origin}/${account}/${container}` }
}).pipe(Effect.provide(NodeTransport.layer))

/** A signature for all blobs of the container, which permits to create and to read them. */
export const containerSignature = (permissions: string, expires: DateTime.DateTime): string => {
  const se = DateTime.formatIso(expires).replace(/\.\d+Z$/, "Z")
  const resource = `/blob/${account}/${container}`
  const text = [permissions, "", se, resource, "", "", "", version, "c", "", "", "", "", "", "", ""].join("\n")
  return `se=${encodeURIComponent(se)}&sp=${permissions}&sv=${version}&sr=c&sig=${encodeURIComponent(sign(text))}`
}

interface Shape {
  readonly origin: string

  /** Stores a blob, or replaces one. */
  readonly put: (blob: string, bytes: Uint8Array) => Effect.Effect<void>

  /** A link that may read one blob until `expires`, as the service gives it. */
  readonly link: (blob: string, expires: DateTime.DateTime, origin?: string) => string
}

export class Azurite extends Context.Service<Azurite, Shape>()("@live-response/node/test/support/azurite") {
  static readonly layer = Layer.effect(
    Azurite,
    Effect.gen(function* () {
      const { origin } = yield* start
      const client = yield* HttpClient.HttpClient
      const send = (path: string, options: PutOptions) =>
        signed(origin, path, options).pipe(Effect.provideService(HttpClient.HttpClient, client))
      yield* send(container, { query: "restype=container" })
      return Azurite.of({
        origin,
        put: (blob, bytes) => send(`${container}/${blob}`, { bytes, headers: { "x-ms-blob-type": "BlockBlob" } }),
        link: (blob, expires, at = origin) => {
          const se = DateTime.formatIso(expires).replace(/\.\d+Z$/, "Z")
          const resource = `/blob/${account}/${container}/${blob}`
          const text = ["r", "", se, resource, "", "", "", version, "b", "", "", "", "", "", "", ""].join("\n")
          const query = `se=${encodeURIComponent(se)}&sp=r&sv=${version}&sr=b&sig=${encodeURIComponent(sign(text))}`
          return `${at}/${account}/${container}/${blob}?${query}`
        },
      })
    }),
  ).pipe(Layer.provide(NodeTransport.layer))
}

/** Listens on a free port until the scope closes, and returns the origin. */
const listen = (server: ReturnType<typeof createServer>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<string>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(`http://127.0.0.1:${Predicate.isObject(address) ? address.port : 0}`))
      })
    }),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      }),
  )

/** The link call of the API. It answers with the link that `link` returns for an index and the number of the call. */
export const serveLinks = (link: (index: string, nth: number) => string) => {
  const asked: Array<string> = []
  const server = createServer((request, response) => {
    const index = /\(index=(\d+)\)/.exec(request.url ?? "")?.[1] ?? ""
    asked.push(index)
    // Without a `Date` only the storage knows when a link has expired.
    response.sendDate = false
    const value = link(index, asked.filter((one) => one === index).length)
    response.end(JSON.stringify({ "@odata.context": "…$metadata#Edm.String", value }))
  })
  return Effect.map(listen(server), (endpoint) => ({ endpoint, asked }))
}

interface Seen {
  readonly status: number | undefined
  readonly code: string | undefined
  readonly range: string | undefined
  readonly ifMatch: string | undefined
}

/** A proxy of Azurite that records requests and answers, and breaks the first body after a number of bytes. */
export const serveCut = (origin: string, cut: number) => {
  const seen: Array<Seen> = []
  const header = (value: string | ReadonlyArray<string> | undefined) =>
    Predicate.isString(value) || value === undefined ? value : value.join()
  const server = createServer((request, response) => {
    const pass = (answer: IncomingMessage) => {
      const isFirst = seen.length === 0
      seen.push({
        status: answer.statusCode,
        code: header(answer.headers["x-ms-error-code"]),
        range: request.headers.range,
        ifMatch: request.headers["if-match"],
      })
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      if (!isFirst) return answer.pipe(response)
      let left = cut
      answer.on("data", (data: Buffer) => {
        if (left > 0 && data.length >= left) response.write(data.subarray(0, left), () => response.destroy())
        else if (left > 0) response.write(data)
        left -= data.length
      })
      return answer
    }
    httpRequest(`${origin}${request.url}`, { headers: request.headers }, pass).end()
  })
  return Effect.map(listen(server), (origin) => ({ origin, seen }))
}
