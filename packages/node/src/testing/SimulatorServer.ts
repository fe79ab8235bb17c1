/**
 * The simulator on a real socket.
 *
 * @since 0.1.0
 */
import { createServer } from "node:http"
import { createServer as createSecureServer } from "node:https"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"

/**
 * Serves the simulator in context on the loopback interface.
 *
 * **Details**
 *
 * The address is that of the `HttpServer` that the layer provides. Connections that are open when the layer closes are closed at
 * once, like in a crash.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: {
  /** Default: a free port. */
  readonly port?: number | undefined
  /** The private key and the certificate in PEM. Default: HTTP without TLS. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined
}): Layer.Layer<HttpServer.HttpServer, ServeError, Simulator> => {
  const tls = options?.tls
  const server = tls === undefined ? createServer() : createSecureServer(tls)
  const listening = NodeHttpServer.layerServer(() => server, {
    host: "127.0.0.1",
    port: options?.port ?? 0,
    // Its shutdown would wait for clients that keep their connections busy.
    disablePreemptiveShutdown: true,
  })
  const close = Effect.sync(() => {
    server.close()
    server.closeAllConnections()
  })
  const closing = Layer.effectDiscard(Effect.addFinalizer(() => close))
  const secured = Effect.updateService(HttpServerRequest.HttpServerRequest, (request) =>
    request.modify({ headers: Headers.set(request.headers, "x-forwarded-proto", "https") }),
  )
  return Layer.unwrap(
    Effect.map(Simulator, ({ handler }) => HttpServer.serve(tls === undefined ? handler : secured(handler))),
  ).pipe(Layer.provideMerge(closing), Layer.provideMerge(listening))
}
