/** A server that accepts connections and never answers, as behind a firewall that swallows what is sent. */
import { createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"

interface Silent {
  readonly port: number
  readonly close: () => void
}

/** Listens on a free port of the loopback interface until the scope closes. */
export const make = Effect.acquireRelease(
  Effect.callback<Silent>((resume) => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => socket.destroy())
    })
    const close = () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      if (typeof address === "object" && address !== null) resume(Effect.succeed({ port: address.port, close }))
    })
  }),
  ({ close }) => Effect.sync(close),
)
