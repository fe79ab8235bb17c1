/**
 * The HTTP client of Node (undici), tuned for long downloads from many hosts.
 *
 * @since 0.1.0
 */
import type { LookupFunction, OnReadOpts } from "node:net"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Agent, buildConnector, type Dispatcher, EnvHttpProxyAgent } from "@effect/platform-node/Undici"
import * as BorrowedBody from "@live-response/core/BorrowedBody"
import { RequestAge, RequestProgress } from "@live-response/core/RequestProgress"
import * as Clock from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as HttpGetClient from "./internal/httpGetClient.ts"
import { OpenSockets } from "./internal/openSockets.ts"
import { promptly } from "./internal/promptRequests.ts"
import * as Proxy from "./internal/proxy.ts"
import { publicLookup } from "./internal/publicLookup.ts"
import { ReadBuffers } from "./internal/readBuffers.ts"
import * as RequestLog from "./internal/requestLog.ts"
import { BodyMemory } from "./internal/responseBody.ts"

const timeouts = { connectTimeout: 30_000, keepAliveTimeout: 10_000 }

/** How a connection without a proxy is opened. */
interface Connect {
  readonly onread: OnReadOpts
  readonly lookup?: LookupFunction
}

/** Sends what no proxy may pass by `direct`. */
const withoutProxy =
  (direct: Dispatcher): Dispatcher.DispatcherComposeInterceptor =>
  (dispatch) =>
  (options, handler) => {
    const url = URL.parse(String(options.origin))
    return url !== null && Proxy.isDirect(url) ? direct.dispatch(options, handler) : dispatch(options, handler)
  }

/** The connections, through a proxy where the environment has one. */
const makeDispatcher = (connect: Connect) =>
  Effect.flatMap(Proxy.variables, (proxies) =>
    Effect.acquireRelease(
      // HTTP/2 has nothing for one large body a connection, and a reset of its streams can pass for the end of a body.
      Effect.sync(() => {
        const sockets = new OpenSockets()
        const connector = buildConnector({ ...connect, allowH2: false, timeout: timeouts.connectTimeout })
        const pools = { factory: sockets.pool, clientFactory: sockets.pool }
        const options = { ...timeouts, ...pools, connect: connector, allowH2: false }
        const direct = new Agent(options)
        if (proxies.httpProxy + proxies.httpsProxy === "") return { agents: [direct], dispatcher: direct, sockets }
        const proxied = new EnvHttpProxyAgent({ ...proxies, ...options })
        return { agents: [direct, proxied], dispatcher: proxied.compose(withoutProxy(direct)), sockets }
      }),
      ({ agents, sockets }) =>
        Effect.andThen(
          Effect.promise(() => Promise.all(agents.map((agent) => agent.destroy()))),
          Effect.sync(() => sockets.destroy()),
        ),
    ).pipe(Effect.map(({ dispatcher }) => dispatcher)),
  )

/** Requests without a body have a client of their own, because the bytes of results are answers to them. */
const make = Effect.fnUntraced(function* (lookup?: LookupFunction) {
  const reads = new ReadBuffers()
  const dispatcher = yield* makeDispatcher({ onread: reads.onread, ...(lookup === undefined ? {} : { lookup }) })
  const get = HttpGetClient.make(dispatcher, new BodyMemory(reads))
  // A request with a body may start a session, which must not start late.
  const clock = yield* Clock.Clock
  const executePromptly = Effect.fnUntraced(function* (request: HttpClientRequest) {
    const prompt = dispatcher.compose(promptly({ clock, progress: yield* RequestProgress, age: yield* RequestAge }))
    const client = yield* Effect.provideService(NodeHttpClient.makeUndici, NodeHttpClient.Dispatcher, prompt)
    return yield* client.execute(request)
  })
  const execute = (request: HttpClientRequest) =>
    HttpGetClient.isFor(request) ? get.execute(request) : executePromptly(request)
  const client = HttpClient.makeWith<HttpClientError, never, HttpClientError, never>(
    Effect.flatMap(execute),
    Effect.succeed,
  )
  return RequestLog.withDebugLog(BorrowedBody.lending(client, (request) => BorrowedBody.open(get, request)))
})

/**
 * The `HttpClient` of this package. It reuses connections for later downloads, and follows no redirects.
 *
 * **Details**
 *
 * Each request is a line at log level `Debug`: its method, its address without the query, its range, the status, the time
 * until the answer started, and its length. The line has neither a link nor a token.
 *
 * `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` apply; their lower-case names take precedence. A proxy without a scheme
 * (`host:port`) is one over http. `NO_PROXY` is a list of hosts, separated by commas: `contoso.com` and `.contoso.com` are
 * the domain with all its hosts, `*` is every host. A range of addresses (`10.0.0.0/8`) is ignored, with a warning. No request to
 * this machine passes a proxy, because it may have a token in plain http.
 *
 * A request with a body is written within 45 seconds or not at all: a program that was frozen while its connection opened sends
 * nothing that it should have sent before.
 *
 * A proxy that can't be parsed fails with a `ConfigError` that names the variable, and not its value.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HttpClient.HttpClient, Config.ConfigError> = Layer.effect(
  HttpClient.HttpClient,
  Effect.tap(make(), () => Proxy.warnOfRanges),
)

/**
 * The `HttpClient` for an API on the internet, whose links must not lead into a private network.
 *
 * **Details**
 *
 * Like {@link layer}, but it does not connect to a name that resolves to an address of this machine or of a private
 * network, unless the name is the API's own host (`apiHost`). It connects to the address that was checked.
 *
 * **Gotchas**
 *
 * A proxy resolves names itself, so that behind one the proxy alone can refuse such an address.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerPublic = (options: {
  readonly apiHost: string
}): Layer.Layer<HttpClient.HttpClient, Config.ConfigError> =>
  Layer.effect(HttpClient.HttpClient, make(publicLookup(options.apiHost)))

/**
 * The clients of a program: one for APIs, and one for the storage of each API.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transports {
  readonly api: Layer.Layer<HttpClient.HttpClient, Config.ConfigError>
  readonly storageOf: (options: { readonly apiHost: string }) => Layer.Layer<HttpClient.HttpClient, Config.ConfigError>
}

/**
 * Clients of their own for each part of a program, as {@link layer} and {@link layerPublic} make them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const separate: Transports = { api: layer, storageOf: layerPublic }

/**
 * Clients that all parts of a program share, until the scope closes.
 *
 * **When to use**
 *
 * Use it in a program that works on many tenants: the read buffers of a client of its own would be 300 kB for each.
 *
 * @since 0.1.0
 * @category constructors
 */
export const shared: Effect.Effect<Transports, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Effect.scope
  // Not by a memo map: each use of a layer from it would add a finalizer to the scope, and a build that is interrupted would fail
  // every later use.
  const once = (transport: Transports["api"]) =>
    Effect.cached(
      // The client alone: the services that were built include a memo map, with the layers of the first tenant.
      Effect.map(Layer.buildWithScope(Layer.fresh(transport), scope), Context.get(HttpClient.HttpClient)),
    )
  const api = yield* once(layer)
  const storages = new Map<string, typeof api>()
  const storageOf = Effect.fnUntraced(function* (apiHost: string) {
    const made = yield* once(layerPublic({ apiHost }))
    const built = storages.get(apiHost) ?? made
    storages.set(apiHost, built)
    return yield* built
  })
  return {
    api: Layer.effect(HttpClient.HttpClient, api),
    storageOf: ({ apiHost }) => Layer.effect(HttpClient.HttpClient, storageOf(apiHost)),
  }
})
