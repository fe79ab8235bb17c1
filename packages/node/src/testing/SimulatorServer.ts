/**
 * The simulator on a socket of this machine.
 *
 * @since 0.1.0
 */
import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import type { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"

/**
 * Serves the simulator in context on the loopback interface, by default on a free port. The address is in the
 * `HttpServer` that comes with it. Connections that are still open when the layer ends are closed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: {
  readonly port?: number | undefined
}): Layer.Layer<HttpServer.HttpServer, ServeError, Simulator> => {
  const server = createServer()
  const listening = NodeHttpServer.layer(() => server, { host: "127.0.0.1", port: options?.port ?? 0 })
  const closing = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections())))
  return Layer.unwrap(Effect.map(Simulator, ({ handler }) => HttpServer.serve(handler))).pipe(
    Layer.provideMerge(closing),
    Layer.provideMerge(listening),
  )
}
