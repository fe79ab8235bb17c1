/**
 * HTTP by undici, set up for long downloads from many hosts.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { EnvHttpProxyAgent } from "@effect/platform-node/Undici"
import * as Effect from "effect/Effect"
import type { HttpClient } from "effect/http/HttpClient"
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

/**
 * The `HttpClient` of this package. Connections are kept alive between downloads; redirects are not followed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<HttpClient> = NodeHttpClient.layerUndiciNoDispatcher.pipe(
  Layer.provide(layerDispatcher),
  Layer.provideMerge(Layer.succeed(NodeHttpClient.UndiciOptions, { highWaterMark })),
)
