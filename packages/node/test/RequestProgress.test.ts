/** What the transport says of a request whose connection does not open, and that it sends none that was given up. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { createServer as createTlsServer } from "node:https"
import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as RequestProgress from "@live-response/core/RequestProgress"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import { tempDirectory } from "./support/samples.ts"

const isAddress = (address: string | AddressInfo | null): address is AddressInfo =>
  typeof address === "object" && address !== null

const listening = (server: Server) =>
  Effect.callback<number>((resume) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(Effect.succeed(isAddress(address) ? address.port : 0))
    })
  })

/** A server over TLS behind a port that accepts connections, and passes nothing on before it is opened. */
const gated = Effect.gen(function* () {
  const directory = yield* tempDirectory
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")]
  const kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "1"]
  execFileSync("openssl", ["req", ...kind, "-keyout", key, "-out", cert], { stdio: "ignore" })
  const sockets = new Set<Socket>()
  const held: Array<Socket> = []
  const requests: Array<string> = []
  const accepted = yield* Deferred.make<void>()
  const inner = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    requests.push(`${request.method} ${request.url}`)
    response.end("ok")
  })
  const innerPort = yield* listening(inner)
  let isOpen = false
  const pass = (socket: Socket) => {
    const onward = connect(innerPort, "127.0.0.1")
    sockets.add(onward)
    onward.on("error", () => socket.destroy())
    socket.pipe(onward)
    onward.pipe(socket)
  }
  const outer = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    if (isOpen) return pass(socket)
    held.push(socket)
    Deferred.doneUnsafe(accepted, Effect.void)
  })
  const port = yield* listening(outer)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const socket of sockets) socket.destroy()
      outer.close()
      inner.close()
    }),
  )
  const open = () => {
    isOpen = true
    held.forEach(pass)
  }
  return { base: `https://127.0.0.1:${port}`, accepted, open, requests }
})

/** Node reads it at each connection. */
const trustingAnybody = Effect.acquireRelease(
  Effect.sync(() => {
    const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"]
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0"
    return before
  }),
  (before) =>
    Effect.sync(() => {
      if (before === undefined) delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]
      else process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before
    }),
)

describe("NodeTransport: the progress of a request", () => {
  it.live.each([
    { name: "without a body", request: (url: string) => HttpClientRequest.get(url) },
    { name: "with a body", request: (url: string) => HttpClientRequest.bodyText(HttpClientRequest.post(url), "x") },
  ])("$name is unsent until its connection is open, and is not sent any more after that", ({ request }) =>
    Effect.gen(function* () {
      yield* trustingAnybody
      const server = yield* gated
      const client = yield* HttpClient.HttpClient
      const send = (path: string, progress: RequestProgress.Progress) =>
        Effect.provideService(
          client.execute(request(`${server.base}${path}`)),
          RequestProgress.RequestProgress,
          progress,
        )
      const late = new RequestProgress.Progress()
      assert.isFalse(late.isUnsent)
      const first = yield* send("/late", late).pipe(
        Effect.raceFirst(Effect.andThen(Deferred.await(server.accepted), Effect.succeed("given up" as const))),
        Effect.option,
      )
      assert.deepStrictEqual(first, Option.some("given up" as const))
      assert.isTrue(late.isUnsent)
      server.open()
      const next = new RequestProgress.Progress()
      assert.strictEqual((yield* send("/next", next)).status, 200)
      assert.isFalse(next.isUnsent)
      assert.isTrue(late.isUnsent)
      assert.deepStrictEqual(
        server.requests.filter((line) => line.includes("late")),
        [],
      )
    }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer)),
  )
})
