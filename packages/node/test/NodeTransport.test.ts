/** Real sockets: what a simulator in memory can't show. */
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { createServer, type RequestListener, type ServerResponse } from "node:http"
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from "node:https"
import net, { connect as connectTo, createServer as createSocketServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { inspect } from "node:util"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it, vi } from "@effect/vitest"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import * as BorrowedBody from "@live-response/core/BorrowedBody"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import * as PrivateHost from "@live-response/core/PrivateHost"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { Reporter } from "@live-response/core/Reporter"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Timing from "@live-response/core/Timing"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Transfer from "@live-response/core/Transfer"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { patterned, refAt, refsUpTo, tempDirectory, utf8 } from "./support/samples.ts"

const ref = refAt(0)

/** Retries at once. */
const impatient: Partial<Timing.Settings> = {
  outage: Schedule.spaced("10 millis"),
  giveUpAfter: "100 millis",
  api: Schedule.upTo(Schedule.spaced("10 millis"), { times: 2 }),
  transfer: Schedule.upTo(Schedule.spaced("10 millis"), { times: 5 }),
}

/** Notices a stall soon, but not the silence of a loaded machine. */
const noticing = { ...impatient, stallTimeout: "2 seconds" } as const

const libraryAt = (base: string, policies = impatient) =>
  LiveResponse.layer.pipe(
    Layer.provideMerge(Transfer.layer),
    Layer.provideMerge(DefenderApi.layer({ base })),
    Layer.provideMerge(
      Layer.mergeAll(
        ResultStore.layerMemory.pipe(Layer.provide(NodeHasher.layer)),
        Manifest.layerMemory,
        Quota.layer({ windows: Quota.linkWindows({ perMinute: 100_000, perHour: 100_000 }) }).pipe(
          Layer.provide(QuotaStore.layerMemory),
        ),
      ),
    ),
    Layer.provide([NodeTransport.layer, Timing.layer(policies), Credential.layerToken(Redacted.make("token"))]),
  )

/** The library over the simulator on a socket. */
const world = (options?: Simulator.Options, policies = impatient) =>
  Layer.unwrap(
    Effect.map(HttpServer.HttpServer, ({ address }) => libraryAt(HttpServer.formatAddress(address), policies)),
  ).pipe(
    Layer.provide(SimulatorServer.layer()),
    Layer.provideMerge(Simulator.layer({ tokens: ["token"], perMinute: 100_000, perHour: 100_000, ...options })),
  )

/** Starts a server until the scope closes. Returns its address. */
const serve = (listener: RequestListener, tls?: TlsOptions) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly base: string; readonly close: () => void }>((resume) => {
      const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = Predicate.isObject(address) ? address.port : 0
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed({ base: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close),
  ).pipe(Effect.map(({ base }) => base))

/** Listens on a free port. Returns the address. */
const listening = (server: Server) =>
  Effect.callback<string>((resume) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(Effect.succeed(`127.0.0.1:${Predicate.isObject(address) ? address.port : 0}`))
    })
  })

/** A server that accepts connections and sends nothing, until the scope closes. Returns its address. */
const silentServer = Effect.acquireRelease(
  Effect.sync(() => createSocketServer((socket) => socket.on("error", () => {}).resume())),
  (server) => Effect.sync(() => server.close()),
).pipe(Effect.flatMap(listening))

/** A proxy that opens each tunnel that it is asked for, until the scope closes. Returns its address. */
const tunnelingProxy = Effect.acquireRelease(
  Effect.sync(() => {
    const server = createServer()
    server.on("connect", ({ url }, socket) => {
      const target = connectTo(Number(url?.split(":")[1]), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
        socket.pipe(target).pipe(socket)
      })
      for (const end of [socket, target])
        end.on("error", () => {}).once("close", () => (socket.destroy(), target.destroy()))
    })
    return server
  }),
  (server) => Effect.sync(() => server.close()),
).pipe(Effect.flatMap(listening))

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

/** Counts the connections to servers of this process, until the scope closes. */
const countConnections = Effect.gen(function* () {
  const sockets = new Set<Socket>()
  const onSocket = (message: unknown) => {
    if (Predicate.hasProperty(message, "socket")) {
      const socket = message.socket
      if (isSocket(socket)) sockets.add(socket)
    }
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => subscribe("net.server.socket", onSocket)),
    () => Effect.sync(() => unsubscribe("net.server.socket", onSocket)),
  )
  return {
    taken: () => sockets.size,
    open: () => Array.from(sockets).filter((socket) => !socket.destroyed).length,
  }
})

/** What `FinalizationRegistry` holds: the tokens that were registered and not unregistered, until the scope closes. */
const spiedRegistry = Effect.acquireRelease(
  Effect.sync(() => ({
    register: vi.spyOn(FinalizationRegistry.prototype, "register"),
    unregister: vi.spyOn(FinalizationRegistry.prototype, "unregister"),
  })),
  ({ register, unregister }) =>
    Effect.sync(() => {
      register.mockRestore()
      unregister.mockRestore()
    }),
).pipe(
  Effect.map(({ register, unregister }) => ({
    left: () => {
      const gone = new Set<unknown>(unregister.mock.calls.map(([token]) => token))
      return register.mock.calls.filter(([, , token]) => token === undefined || !gone.has(token))
    },
  })),
)

const isSocket = (value: unknown): value is Socket =>
  Predicate.hasProperty(value, "destroyed") && Predicate.hasProperty(value, "remotePort")

/** Waits for something that happens soon. The test's own time-out ends it where it does not. */
const eventually = (isSo: () => boolean) =>
  Effect.repeat(Effect.sync(isSo), { schedule: Schedule.spaced("10 millis"), until: (so) => so })

/** Downloads the content through these faults. */
const download = (content: Uint8Array, blobFaults: ReadonlyArray<Simulator.Fault>) =>
  Effect.gen(function* () {
    const simulator = yield* Simulator.Simulator
    const transfer = yield* Transfer.Transfer
    yield* simulator.add(ref, { content, blobFaults })
    const events: Array<BatchEvent> = []
    const startedAt = yield* Clock.currentTimeMillis
    const bytes = yield* transfer.bytes(ref).pipe(
      Stream.runCollect,
      Effect.provideService(Reporter, (event) => Effect.sync(() => events.push(event))),
    )
    const blobs = (yield* simulator.calls).filter(({ kind }) => kind === "blob")
    assert.isTrue(Buffer.concat(bytes).equals(content), "the bytes are whole")
    return {
      took: (yield* Clock.currentTimeMillis) - startedAt,
      blobs,
      ranges: blobs.map(({ headers }) => headers.range),
      reasons: events.flatMap((event) =>
        event.event === "retrying" && event.error._tag === "TransferError" ? [event.error.reason] : [],
      ),
    }
  })

describe("NodeTransport: faults on a socket", () => {
  const content = patterned(300_000)

  it.live("resumes a body that was cut at its offset", () =>
    Effect.gen(function* () {
      const { ranges, reasons } = yield* download(content, [{ fault: "cut", after: 100_000 }])
      const [reason] = reasons
      assert.strictEqual(reason?._tag, "Broken")
      // Every byte that came before the connection broke is used.
      const offset = reason?._tag === "Broken" ? reason.offset : 0
      assert.isAtMost(offset, 100_000)
      assert.deepStrictEqual(ranges, [undefined, offset === 0 ? undefined : `bytes=${offset}-`])
    }).pipe(Effect.provide(world())),
  )

  it.live("completes a body that is cut again and again", () =>
    Effect.gen(function* () {
      const { ranges } = yield* download(
        content,
        Array.from({ length: 5 }, () => ({ fault: "cut", after: 50_000 })),
      )
      assert.isAtMost(ranges.length, 6)
    }).pipe(Effect.provide(world())),
  )

  it.live("resumes a body that stalled over another connection", () =>
    Effect.gen(function* () {
      const connections = yield* countConnections
      const { ranges, reasons, took } = yield* download(content, [{ fault: "stall", after: 100_000 }])
      assert.deepInclude(reasons[0], { _tag: "Stalled", offset: 100_000, timeout: Duration.seconds(2) })
      assert.deepStrictEqual(ranges, [undefined, "bytes=100000-"])
      assert.isAtLeast(took, 2000)
      // The stalled connection is closed, and not left to the server.
      yield* eventually(() => connections.open() < connections.taken())
    }).pipe(Effect.scoped, Effect.provide(world({}, noticing))),
  )

  it.live("renews an expired link", () =>
    Effect.gen(function* () {
      const { blobs, reasons } = yield* download(content, [{ fault: "expire" }])
      assert.deepInclude(reasons[0], { _tag: "LinkRefused", code: "AuthenticationFailed" })
      assert.deepStrictEqual(
        blobs.map(({ status }) => status),
        [403, 200],
      )
    }).pipe(Effect.provide(world())),
  )

  it.live("renews a link that has expired before the storage refuses it", () =>
    Effect.gen(function* () {
      const { blobs } = yield* download(content, [{ fault: "stall", after: 100_000 }, { fault: "none" }])
      // The link was good for four seconds; the stall took longer.
      assert.deepStrictEqual(
        blobs.map(({ status }) => status),
        [200, 206],
      )
      assert.strictEqual((yield* (yield* Simulator.Simulator).calls).filter(({ kind }) => kind === "link").length, 2)
    }).pipe(Effect.provide(world({ linkLifetime: "4 seconds" }, { ...impatient, stallTimeout: "5 seconds" }))),
  )

  it.live("downloads an empty result", () =>
    Effect.gen(function* () {
      const { blobs } = yield* download(new Uint8Array(), [])
      assert.strictEqual(blobs.length, 1)
    }).pipe(Effect.provide(world())),
  )

  it.live("sends over the wire what Microsoft documents", () =>
    Effect.gen(function* () {
      yield* download(utf8("hello"), [])
      const [link, blob] = yield* (yield* Simulator.Simulator).calls
      assert.strictEqual(
        new URL(link?.url ?? "").pathname,
        `/api/machineactions/${ref.machineActionId}/GetLiveResponseResultDownloadLink(index=0)`,
      )
      assert.strictEqual(link?.headers.authorization, "Bearer token")
      assert.match(blob?.url ?? "", /&sig=[0-9a-f]+\/[0-9a-f]+%3D$/)
      assert.strictEqual(blob?.headers["accept-encoding"], "identity")
      for (const name of ["authorization", "traceparent", "b3", "cookie"]) assert.isUndefined(blob?.headers[name], name)
    }).pipe(Effect.withSpan("a trace of the caller's"), Effect.provide(world())),
  )

  it.live("reports a server that can't be reached, without secrets of its address", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* DefenderApi.DefenderApi).downloadLink(ref))
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.match(error.message, /ECONNREFUSED/)
    }).pipe(Effect.provide(libraryAt("http://127.0.0.1:1"))),
  )
})

/** A proxy that refuses to connect, until the scope closes. */
const refusingProxy = (status: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly address: string; readonly asked: () => number; readonly close: () => void }>(
      (resume) => {
        let asked = 0
        const server = createServer((_, response) => {
          asked++
          response.writeHead(status).end()
        })
        server.on("connect", (_, socket) => {
          asked++
          socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = Predicate.isObject(address) ? address.port : 0
          resume(
            Effect.succeed({
              address: `127.0.0.1:${port}`,
              asked: () => asked,
              close: () => {
                server.close()
                server.closeAllConnections()
              },
            }),
          )
        })
      },
    ),
    ({ close }) => Effect.sync(close),
  )

const inEnvironment = (variables: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(variables))

/** The reason with which the link's call fails there. */
const linkFailure = (base: string, variables: Record<string, string> = {}) =>
  DefenderApi.DefenderApi.pipe(
    Effect.flatMap((api) => api.downloadLink(ref)),
    Effect.provide(Layer.provide(libraryAt(base), inEnvironment(variables))),
    Effect.flip,
  )

const reasonOf = (error: Effect.Success<ReturnType<typeof linkFailure>>) =>
  error._tag === "DefenderError" ? error.reason : undefined

describe("NodeTransport: proxies", () => {
  it.live.each([
    { name: "a call over TLS", base: "https://api.invalid", variable: "HTTPS_PROXY", scheme: "http://" },
    { name: "a proxy without a scheme", base: "https://api.invalid", variable: "HTTPS_PROXY", scheme: "" },
    { name: "the lower-case name", base: "https://api.invalid", variable: "https_proxy", scheme: "" },
    {
      name: "the proxy for plain http, where there is no other",
      base: "https://api.invalid",
      variable: "HTTP_PROXY",
      scheme: "",
    },
  ])("that demand credentials fail a call at once: $name", ({ base, scheme, variable }) =>
    Effect.gen(function* () {
      const proxy = yield* refusingProxy(407)
      const error = yield* linkFailure(base, { [variable]: `${scheme}${proxy.address}` })
      assert.deepInclude(reasonOf(error), { _tag: "Unreachable", kind: "proxy" })
      assert.include(error.message, "HTTPS_PROXY=http://user:password@host:port")
      assert.strictEqual(proxy.asked(), 1)
    }).pipe(Effect.scoped),
  )

  it.live("do not get the token that is sent to this machine, in plain http", () =>
    Effect.gen(function* () {
      const proxy = yield* refusingProxy(407)
      const base = yield* serve((_, response) => response.writeHead(418).end())
      const { port } = new URL(base)
      const proxies = { HTTP_PROXY: proxy.address, HTTPS_PROXY: proxy.address, NO_PROXY: ".contoso.com" }
      for (const host of ["127.0.0.1", "127.0.0.2", "localhost", "[::1]"]) {
        const error = yield* linkFailure(`http://${host}:${port}`, proxies)
        if (host === "127.0.0.1") assert.include(error.message, "HTTP 418")
        assert.strictEqual(proxy.asked(), 0, host)
      }
    }).pipe(Effect.scoped),
  )

  it.live("do not get the token for the agent of a container, which is in plain http", () =>
    Effect.gen(function* () {
      const proxy = yield* refusingProxy(407)
      const base = yield* serve((_, response) => response.writeHead(418).end())
      const connected: Array<string> = []
      // Tests connect to nothing beyond loopback.
      const connect = vi.spyOn(net, "connect").mockImplementation((options) => {
        connected.push(Predicate.hasProperty(options, "host") ? String(options.host) : "")
        return connectTo(Number(new URL(base).port), "127.0.0.1")
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => connect.mockRestore()))
      for (const [host, NO_PROXY] of PrivateHost.agentHosts.flatMap(
        (host) =>
          [
            [host, ""],
            [host, ".contoso.com"],
          ] as const,
      )) {
        const { status } = yield* HttpClient.get(`http://${host}/v1/credentials`).pipe(
          Effect.provide(Layer.provide(NodeTransport.layer, inEnvironment({ HTTP_PROXY: proxy.address, NO_PROXY }))),
        )
        assert.strictEqual(status, 418)
      }
      const twice = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"].flatMap((host) => [host, host])
      assert.deepStrictEqual(connected, twice)
      assert.strictEqual(proxy.asked(), 0)
    }).pipe(Effect.scoped),
  )

  it.live("are not used for the hosts of NO_PROXY, with a warning for a range of addresses there", () =>
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void warnings.push(String(message)))
      const proxy = yield* refusingProxy(407)
      const base = yield* serve((_, response) => response.writeHead(418).end())
      const error = yield* linkFailure(base, {
        HTTP_PROXY: proxy.address,
        NO_PROXY: "10.0.0.0/8,fd00::/8, http://me:Secret99@h/8, 127.0.0.1",
      }).pipe(Effect.provide(Logger.layer([logger])))
      assert.include(error.message, "HTTP 418")
      assert.strictEqual(proxy.asked(), 0)
      const ofRanges = warnings.filter((warning) => warning.startsWith("NO_PROXY"))
      assert.strictEqual(ofRanges.length, 1, warnings.join("\n"))
      assert.include(ofRanges[0], "10.0.0.0/8, fd00::/8")
      assert.notInclude(warnings.join("\n"), "Secret99")
    }).pipe(Effect.scoped),
  )

  it.live.each([
    { value: "http://user:geheim@" },
    { value: "socks5://geheim:1080" },
    { value: "ge heim:x" },
    { value: "http://user:geheim%zz@host:1" },
    { value: "http://user:an@geheim/word@host:1" },
  ])("that can't be parsed are named without their value: $value", ({ value }) =>
    Effect.gen(function* () {
      const error = yield* linkFailure("https://api.invalid", { HTTPS_PROXY: value })
      assert.strictEqual(error._tag, "ConfigError")
      const all = inspect(error, { depth: 20, showHidden: true })
      assert.include(all, "HTTPS_PROXY")
      assert.notMatch(all, /ge ?heim/)
    }),
  )

  it.live("are not used where their variable is empty", () =>
    Effect.gen(function* () {
      const base = yield* serve((_, response) => response.writeHead(418).end())
      const error = yield* linkFailure(base, { HTTP_PROXY: "", http_proxy: " " })
      assert.include(error.message, "HTTP 418")
    }).pipe(Effect.scoped),
  )
})

describe("NodeTransport: certificates", () => {
  it.live("fail a call at once where this machine does not trust them, with what to type", () =>
    Effect.gen(function* () {
      const directory = yield* tempDirectory
      const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")]
      const subject = ["-subj", "/CN=gateway.example.net", "-days", "1"]
      execFileSync(
        "openssl",
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, ...subject],
        {
          stdio: "ignore",
        },
      )
      const connections = yield* countConnections
      const base = yield* serve((_, response) => response.end(), { key: readFileSync(key), cert: readFileSync(cert) })
      const error = yield* linkFailure(base)
      assert.deepInclude(reasonOf(error), { _tag: "Unreachable", kind: "certificate" })
      assert.include(error.message, "NODE_EXTRA_CA_CERTS=/path/to/ca.pem")
      assert.isAtMost(connections.taken(), 1)
    }).pipe(Effect.scoped),
  )
})

describe("NodeTransport: connections", () => {
  it.live("are reused: few are enough for many small results", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const live = yield* LiveResponse.LiveResponse
      const refs = refsUpTo(300)
      yield* Effect.forEach(refs, (ref, n) => simulator.add(ref, { content: patterned(500 + n) }), { discard: true })
      const connections = yield* countConnections
      const events = yield* Stream.runCollect(live.saveAll(Stream.fromIterable(refs), { concurrency: 4 }))
      assert.deepInclude(events.at(-1), { event: "summary", completed: 300, failed: 0 })
      assert.isAtLeast(connections.taken(), 1)
      assert.isAtMost(connections.taken(), 12)
    }).pipe(Effect.scoped, Effect.provide(world())),
  )

  it.live("are closed with the layer", () =>
    Effect.gen(function* () {
      const connections = yield* countConnections
      const base = yield* serve((_, response) => response.writeHead(404).end())
      yield* DefenderApi.DefenderApi.pipe(
        Effect.flatMap((api) => api.downloadLink(ref)),
        Effect.provide(libraryAt(base)),
        Effect.flip,
      )
      assert.strictEqual(connections.taken(), 1)
      yield* eventually(() => connections.open() === 0)
    }).pipe(Effect.scoped),
  )

  it.live.each<{
    readonly name: string
    readonly connections?: number
    readonly connect: (silent: string, tunnel: string) => readonly [url: string, environment: Record<string, string>]
  }>([
    { name: "to a host", connect: (silent) => [`https://${silent}`, {}] },
    { name: "to a proxy", connect: (silent) => ["https://api.invalid", { HTTPS_PROXY: `https://${silent}` }] },
    {
      name: "to a proxy without a tunnel",
      connect: (silent) => ["http://api.invalid", { HTTP_PROXY: `https://${silent}` }],
    },
    {
      name: "through a proxy that does not answer",
      connect: (silent) => ["https://api.invalid", { HTTPS_PROXY: `http://${silent}` }],
    },
    {
      name: "through a proxy",
      connections: 2,
      connect: (silent, tunnel) => [
        `https://api.invalid:${new URL(`http://${silent}`).port}`,
        { HTTPS_PROXY: `http://${tunnel}` },
      ],
    },
  ])("are closed with the layer, also while they are being opened $name", ({ connect, connections: expected = 1 }) =>
    Effect.gen(function* () {
      const connections = yield* countConnections
      // A silent server never answers the client's greeting.
      const [url, environment] = connect(yield* silentServer, yield* tunnelingProxy)
      yield* Effect.gen(function* () {
        const client = yield* HttpClient.HttpClient
        const fiber = yield* Effect.forkChild(client.get(url))
        yield* eventually(() => connections.open() === expected)
        yield* Fiber.interrupt(fiber)
        assert.isAtLeast(connections.open(), 1)
      }).pipe(Effect.provide(Layer.provide(NodeTransport.layer, inEnvironment(environment))))
      // A connection has 30 seconds to be opened.
      yield* Effect.timeout(
        eventually(() => connections.open() === 0),
        "15 seconds",
      )
    }).pipe(Effect.scoped),
  )

  it.live.each([true, false])("are closed where nobody reads the answer, traced: %s", (isTraced) =>
    Effect.gen(function* () {
      const connections = yield* countConnections
      const base = yield* serve((_, response) => response.writeHead(200, { "content-length": "1000" }).write("hello"))
      yield* Effect.gen(function* () {
        const client = yield* HttpClient.HttpClient
        const request = HttpClientRequest.get(base)
        const opened = Effect.suspend(() => BorrowedBody.open(client, request) ?? Effect.die("not a lending client"))
        // The answer is the exit of a fiber, to which who waits for an answer refers.
        const settled = <A, E>(answer: Effect.Effect<A, E>) =>
          Effect.asVoid(Effect.flatMap(Effect.forkChild(answer), Fiber.await))
        const lost = isTraced ? settled(client.execute(request)) : settled(opened)
        yield* Effect.forEach(refsUpTo(5), () => lost, { discard: true })
        assert.strictEqual(connections.taken(), 5)
        yield* eventually(() => {
          collectGarbage()
          return connections.open() === 0
        })
      }).pipe(Effect.provide(NodeTransport.layer))
    }).pipe(Effect.scoped),
  )

  it.live("leave nothing to the garbage collection once they were read", () =>
    Effect.gen(function* () {
      const registry = yield* spiedRegistry
      const head = yield* Deferred.make<ServerResponse>()
      const base = yield* serve((_, response) => {
        response.writeHead(200, { "content-length": "5" }).flushHeaders()
        Deferred.doneUnsafe(head, Effect.succeed(response))
      })
      yield* Effect.gen(function* () {
        const client = yield* HttpClient.HttpClient
        const { pull } = yield* BorrowedBody.open(client, HttpClientRequest.get(base)) ?? Effect.die("not lending")
        assert.strictEqual(registry.left().length, 1)
        const response = yield* Deferred.await(head)
        response.end("hello")
        yield* Stream.runDrain(Stream.fromPull(Effect.succeed(pull)))
        assert.deepStrictEqual(registry.left(), [])
      }).pipe(Effect.provide(NodeTransport.layer))
    }).pipe(Effect.scoped),
  )

  /** Answers for links, and 200 kB of an error for every blob. */
  const refusing =
    (status: number): RequestListener =>
    (request, response) => {
      if (request.url?.startsWith("/api/") === true) {
        response.end(JSON.stringify({ value: `http://${request.headers.host}/blob?sig=a` }))
      } else {
        response.writeHead(status, { "x-ms-error-code": "BlobArchived" }).end("x".repeat(200_000))
      }
    }

  it.live.each([
    { status: 403, failed: 5 },
    { status: 404, failed: 30 },
    { status: 409, failed: 30 },
    { status: 503, failed: 30 },
  ])("are not held by the body of an error, $status", ({ failed, status }) =>
    Effect.gen(function* () {
      const base = yield* serve(refusing(status))
      const connections = yield* countConnections
      yield* Effect.gen(function* () {
        const live = yield* LiveResponse.LiveResponse
        const events: Array<BatchEvent> = []
        // A storage that refuses every fresh link ends the batch.
        yield* live.saveAll(Stream.fromIterable(refsUpTo(30)), { concurrency: 4 }).pipe(
          Stream.runForEach((event) => Effect.sync(() => events.push(event))),
          Effect.exit,
        )
        assert.deepInclude(events.at(-1), { event: "summary", completed: 0, failed })
        yield* eventually(() => connections.open() <= 8)
      }).pipe(Effect.provide(libraryAt(base)))
    }).pipe(Effect.scoped),
  )

  it.live.each([
    { where: "API", path: "/api/", reason: "UnexpectedAnswer", isTraced: true },
    { where: "API", path: "/api/", reason: "UnexpectedAnswer", isTraced: false },
    { where: "storage", path: "/blob", reason: "Refused", isTraced: true },
    { where: "storage", path: "/blob", reason: "Refused", isTraced: false },
  ])("are not held by an endless error of the $where, traced: $isTraced", ({ isTraced, path, reason }) =>
    Effect.gen(function* () {
      // It keeps each answer, so that no garbage collection closes a connection.
      yield* spiedRegistry
      const closed = yield* Deferred.make<void>()
      const base = yield* serve((request, response) => {
        if (request.url?.startsWith(path) === false) {
          response.end(JSON.stringify({ value: `http://${request.headers.host}/blob?sig=a` }))
          return
        }
        response.writeHead(400)
        const write = () => {
          while (!response.destroyed && response.write("x".repeat(10_000)));
        }
        response.on("drain", write)
        response.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
        write()
      })
      yield* Effect.gen(function* () {
        const live = yield* LiveResponse.LiveResponse
        const error = yield* Effect.flip(live.save(ref))
        assert.strictEqual(String(error._tag === "StoreError" || error.reason._tag), reason)
        yield* Deferred.await(closed)
      }).pipe(Effect.provide(libraryAt(base)), Effect.withTracerEnabled(isTraced))
    }).pipe(Effect.scoped),
  )

  it.live("are closed at once when a download is interrupted", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const live = yield* LiveResponse.LiveResponse
      const connections = yield* countConnections
      yield* simulator.add(ref, { content: patterned(300_000), blobFaults: [{ fault: "stall", after: 100_000 }] })
      const fiber = yield* Effect.forkChild(live.save(ref))
      yield* eventually(() => connections.open() === 1)
      yield* Effect.repeat(simulator.calls, {
        schedule: Schedule.spaced("10 millis"),
        until: (calls) => calls.some(({ kind }) => kind === "blob"),
      })
      yield* Fiber.interrupt(fiber)
      // Nothing but the interruption closes it: the stall would be noticed in an hour.
      yield* eventually(() => connections.open() < connections.taken())
    }).pipe(Effect.scoped, Effect.provide(world({}, { stallTimeout: "1 hour" }))),
  )

  it.live("do not follow a redirect", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const elsewhere = yield* serve((request, response) => {
        asked.push(request.url ?? "")
        response.end("stolen")
      })
      const base = yield* serve((request, response) => {
        if (request.url?.startsWith("/api/") === true) {
          response.end(JSON.stringify({ value: `http://${request.headers.host}/blob?sig=a` }))
        } else {
          response.writeHead(307, { location: `${elsewhere}/blob?sig=a` }).end()
        }
      })
      yield* Effect.gen(function* () {
        const live = yield* LiveResponse.LiveResponse
        const error = yield* Effect.flip(live.save(ref))
        assert.strictEqual(error._tag, "TransferError")
      }).pipe(Effect.provide(libraryAt(base)))
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.scoped),
  )
})

describe("NodeTransport.layerPublic", () => {
  /** A server at a name of this machine, and how many connections it has had. */
  const named = Effect.gen(function* () {
    const connections = yield* countConnections
    const base = yield* serve((_, response) => response.end("secret of this network"))
    return { connections, url: (name: string) => base.replace("127.0.0.1", name) }
  })

  it.live("does not connect to a name that resolves to an address of this machine", () =>
    Effect.gen(function* () {
      const { connections, url } = yield* named
      const error = yield* Effect.flip(HttpClient.get(url("localhost")))
      assert.include(inspect(error, { depth: 9 }), PrivateHost.errorCode)
      assert.strictEqual(connections.taken(), 0)
    }).pipe(Effect.provide(NodeTransport.layerPublic({ apiHost: "api.security.microsoft.com" }))),
  )

  it.live("connects to the API's own host wherever it is, as NodeTransport.layer does to every name", () =>
    Effect.gen(function* () {
      const { url } = yield* named
      const text = (name: string) => Effect.flatMap(HttpClient.get(url(name)), (response) => response.text)
      assert.strictEqual(
        yield* Effect.provide(text("localhost"), NodeTransport.layerPublic({ apiHost: "localhost" })),
        "secret of this network",
      )
      assert.strictEqual(yield* Effect.provide(text("localhost"), NodeTransport.layer), "secret of this network")
    }),
  )
})

describe("NodeTransport.shared", () => {
  const finalizersOf = ({ state }: Scope.Scope) => (state._tag === "Open" ? (state.finalizers?.size ?? 1) : 0)

  it.live("gives each use the same clients, and adds nothing to its scope with a use", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const transports = yield* Scope.provide(NodeTransport.shared, scope)
      const base = yield* serve((_, response) => response.end("here"))
      const { hostname } = new URL(base)
      const use = Effect.gen(function* () {
        const { api, storageOf } = transports
        const layers = [api, storageOf({ apiHost: hostname }), storageOf({ apiHost: "other.example" })]
        const clients = yield* Effect.forEach(layers, (layer) => HttpClient.HttpClient.pipe(Effect.provide(layer)))
        return clients
      })
      const all = yield* Effect.replicateEffect(use, 2, { concurrency: 2 })
      const before = finalizersOf(scope)
      all.push(...(yield* Effect.replicateEffect(use, 20)))
      assert.strictEqual(finalizersOf(scope), before)
      assert.strictEqual(new Set(all.flat()).size, 3)
      const [[api] = []] = all
      assert.isDefined(api)
      assert.strictEqual(yield* Effect.flatMap(api.get(base), ({ text }) => text), "here")
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(api.get(base))))
    }).pipe(Effect.scoped),
  )
})

describe("NodeTransport: the end of a body", () => {
  it.live.each([
    { name: "its connection alone", isChunked: false, md5: undefined, unchecked: true },
    { name: "its connection, with an MD5", isChunked: false, md5: "XUFAKrxLKna5cZ2REBfFkg==", unchecked: undefined },
    { name: "its last chunk", isChunked: true, md5: undefined, unchecked: undefined },
  ])("is marked by $name", ({ isChunked, md5, unchecked }) =>
    Effect.gen(function* () {
      const base = yield* serve((request, response) => {
        if (request.url?.startsWith("/api/") === true) {
          response.end(JSON.stringify({ value: `http://${request.headers.host}/blob?sig=a` }))
          return
        }
        response.useChunkedEncodingByDefault = isChunked
        response.writeHead(200, { etag: '"0x1"', ...(md5 === undefined ? {} : { "content-md5": md5 }) })
        response.write("hel")
        response.end("lo")
      })
      const events = yield* Effect.flatMap(LiveResponse.LiveResponse, (live) =>
        Stream.runCollect(live.saveAll(Stream.make(ref))),
      ).pipe(Effect.provide(libraryAt(base)))
      const completed = events.flatMap((event) => (event.event === "completed" ? [event] : []))
      assert.deepStrictEqual(
        completed.map((event) => ({ bytes: event.bytes, unchecked: event.unchecked })),
        [{ bytes: 5, unchecked }],
      )
    }).pipe(Effect.scoped),
  )
})
