/** Opens connections, and knows those that are open or being opened. */
import { Socket } from "node:net"
import { type buildConnector, type Dispatcher, Pool } from "@effect/platform-node/Undici"
import * as Predicate from "effect/Predicate"

/** Undici's types don't say that the options of a factory have it. */
const hasConnector = (options: object): options is { readonly connect: buildConnector.connector } =>
  Predicate.hasProperty(options, "connect") && Predicate.isFunction(options.connect)

/**
 * The sockets of a dispatcher. Undici ends the connections that it has when it is destroyed, but not those that are still
 * being opened: they would keep the process running until their time-out.
 */
export class OpenSockets {
  private readonly sockets = new Set<Socket>()

  /** Creates the connections to an origin or a proxy. For a proxy undici has a connector of its own. */
  readonly pool = (origin: string | URL, options: object): Dispatcher =>
    new Pool(origin, hasConnector(options) ? { ...options, connect: this.tracked(options.connect) } : options)

  private tracked(connect: buildConnector.connector): buildConnector.connector {
    return (target, callback) => {
      // Undici returns the socket, but its types don't say so.
      const socket: unknown = connect(target, callback)
      if (!(socket instanceof Socket)) return
      this.sockets.add(socket)
      socket.once("close", () => this.sockets.delete(socket))
    }
  }

  /** Ends those that are left. The error ends the timer of a connection that is being opened. */
  destroy(): void {
    for (const socket of this.sockets) socket.destroy(new Error("the client was closed"))
  }
}
