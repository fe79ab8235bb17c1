/**
 * HTTP by undici, set up for long downloads from many hosts.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { EnvHttpProxyAgent } from "@effect/platform-node/Undici"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"

/** How much of a body is read ahead: fewer, larger chunks cost a fifth less than the default 64 KiB. */
const highWaterMark = 1024 * 1024

/** `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` hold: many who need this work behind a proxy. */
const layerDispatcher = Layer.effect(
  NodeHttpClient.Dispatcher,
  Effect.acquireRelease(
    Effect.sync(() => new EnvHttpProxyAgent({ connectTimeout: 30_000, keepAliveTimeout: 10_000 })),
    (dispatcher) => Effect.promise(() => dispatcher.destroy()),
  ),
)

/** Secrets are in queries and headers, so that a line has neither, but for the range that a transfer resumes with. */
const describe = ({ headers, method, url }: HttpClientRequest): string => {
  const address = URL.parse(url)
  const range = headers.range === undefined ? "" : ` ${headers.range}`
  return `${method} ${address === null ? "an address that is not a URL" : `${address.origin}${address.pathname}`}${range}`
}

const describeAnswer = ({ headers, status }: HttpClientResponse, time: Duration.Duration): string => {
  const length = headers["content-length"]
  return `${status} in ${Math.round(Duration.toMillis(time))} ms${length === undefined ? "" : `, ${length} bytes`}`
}

const withDebugLog = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
  HttpClient.transform(client, (answer, request) =>
    Effect.timed(answer).pipe(
      Effect.tap(([time, response]) => Effect.logDebug(`${describe(request)}: ${describeAnswer(response, time)}`)),
      Effect.tapError(({ reason }) => Effect.logDebug(`${describe(request)}: no answer (${reason._tag})`)),
      Effect.map(([, response]) => response),
    ),
  )

/**
 * The `HttpClient` of this package. Connections are kept alive between downloads; redirects are not followed.
 *
 * **Details**
 *
 * Each request is a line at log level `Debug`: its method, its address without the query, its range, the status, how long
 * the answer took to start, and its length. It holds neither a link nor a token.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = Layer.effect(
  HttpClient.HttpClient,
  Effect.map(HttpClient.HttpClient, withDebugLog),
).pipe(
  Layer.provide(NodeHttpClient.layerUndiciNoDispatcher),
  Layer.provide(layerDispatcher),
  Layer.provideMerge(Layer.succeed(NodeHttpClient.UndiciOptions, { highWaterMark })),
)
