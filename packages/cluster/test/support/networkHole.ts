/** A proxy of TCP that can be a hole in the network: what is sent meanwhile arrives when it is mended, and no connection is closed. */
import { createConnection, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"

const join = (one: Socket, other: Socket) => {
  one.on("data", (bytes) => other.write(bytes))
  one.on("error", () => other.destroy())
  one.on("close", () => other.destroy())
}

/** Forwards a free port of the loopback interface to another one, until the scope closes. */
export const make = (target: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly set: (isHole: boolean) => void; readonly close: () => void }>(
      (resume) => {
        const sockets = new Set<Socket>()
        let isHole = false
        const server = createServer((client) => {
          const upstream = createConnection({ host: "127.0.0.1", port: target })
          join(client, upstream)
          join(upstream, client)
          for (const socket of [client, upstream]) {
            sockets.add(socket)
            socket.on("close", () => sockets.delete(socket))
            if (isHole) socket.pause()
          }
        })
        const set = (on: boolean) => {
          isHole = on
          for (const socket of sockets) {
            if (isHole) socket.pause()
            else socket.resume()
          }
        }
        const close = () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          if (typeof address === "object" && address !== null) {
            resume(Effect.succeed({ port: address.port, set, close }))
          }
        })
      },
    ),
    ({ close }) => Effect.sync(close),
  ).pipe(
    Effect.map(({ port, set }) => ({
      port,
      open: Effect.sync(() => set(true)),
      mend: Effect.sync(() => set(false)),
    })),
  )
