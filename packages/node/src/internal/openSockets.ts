/** Opens connections, and knows those that are open or being opened. */
import { Socket } from "node:net"
import { buildConnector } from "@effect/platform-node/Undici"

/**
 * The sockets of a dispatcher. Undici ends the connections that it has when it is destroyed, but not those that are still
 * being opened: they would keep the process running until their time-out.
 */
export class OpenSockets {
  private readonly sockets = new Set<Socket>()
  readonly connect: buildConnector.connector

  constructor(options: buildConnector.BuildOptions) {
    const connect = buildConnector(options)
    this.connect = (target, callback) => {
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
