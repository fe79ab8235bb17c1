import { createHash } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { pipeline } from "node:stream/promises"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as HttpEffect from "effect/http/HttpEffect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Process from "./process.ts"
import * as Samples from "./samples.ts"

/** Serves the simulator with `node:http`. A body that fails closes its connection. */
const serveByNode = Effect.gen(function* () {
  const { handler } = yield* Samples.make
  const webHandler = HttpEffect.toWebHandler(handler)
  const fork = yield* FiberSet.makeRuntime()
  const respond = Effect.fnUntraced(function* (incoming: IncomingMessage, outgoing: ServerResponse) {
    const headers = new Headers(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]))
    const url = `http://${incoming.headers.host}${incoming.url}`
    const response = yield* Effect.promise(() => webHandler(new Request(url, { headers })))
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    yield* Effect.ignore(Effect.tryPromise(() => pipeline(response.body ?? [], outgoing)))
  })
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => createServer((incoming, outgoing) => fork(respond(incoming, outgoing))).listen(0, "127.0.0.1")),
    (server) =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      }),
  )
  yield* Effect.promise(() => once(server, "listening"))
  const address = server.address()
  return String(Predicate.isObject(address) ? address.port : undefined)
})

const servers = {
  node: serveByNode,
  deno: Process.firstLine("deno", "serve.ts", []),
  bun: Process.firstLine("bun", "serve.ts", []),
}

const Printed = Schema.Array(
  Schema.Struct({
    event: Schema.String,
    message: Schema.optionalKey(Schema.String),
    index: Schema.Int,
    sha256: Schema.optionalKey(Schema.String),
    links: Schema.Int,
    retries: Schema.Array(Schema.String),
  }),
)
const decodePrinted = Schema.decodeUnknownEffect(Schema.fromJsonString(Printed))

const expected: typeof Printed.Type = Samples.samples.map(({ ref, result }) => ({
  event: "completed",
  index: ref.index,
  sha256: createHash("sha256").update(result.content).digest("hex"),
  links: result.retries?.includes("LinkRefused") ? 2 : 1,
  retries: result.retries ?? [],
}))

describe("a program that embeds this library", { concurrent: true }, () => {
  for (const client of Process.runtimes) {
    for (const server of ["node", ...Process.runtimes] as const) {
      it.live(
        `in ${client} downloads every byte that ${server} serves, through expiry, a broken connection and a 429`,
        () =>
          Effect.gen(function* () {
            const port = yield* servers[server]
            const targets = Samples.samples.map(({ ref }) => String(ref))
            const line = yield* Process.firstLine(client, "embed.ts", [
              `http://127.0.0.1:${port}`,
              Samples.token,
              ...targets,
            ])
            assert.deepStrictEqual(yield* decodePrinted(line), expected)
          }).pipe(Effect.scoped),
      )
    }
  }

  for (const runtime of Process.runtimes) {
    it.live(`in ${runtime} unpacks all members of a gzip file with padding after them`, () =>
      Effect.gen(function* () {
        const file = Buffer.concat([gzipSync("one, "), gzipSync("two"), new Uint8Array(100)])
        assert.strictEqual(yield* Process.firstLine(runtime, "unpack.ts", [file.toString("hex")]), "one, two")
      }).pipe(Effect.scoped),
    )
  }
})
