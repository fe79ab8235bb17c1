/**
 * A proxy of TCP that can be a hole in the network: what is sent meanwhile arrives when it is mended, and no connection is closed. It can
 * also lead to another port, as a name does after a failover, and keep the connections that it has.
 */
import { createConnection, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"

const join = (one: Socket, other: Socket) => {
  one.on("data", (bytes) => other.write(bytes))
  one.on("error", () => other.destroy())
  one.on("close", () => other.destroy())
}

interface Proxy {
  readonly port: number
  readonly set: (isHole: boolean) => void
  readonly openAt: (text: string) => void
  readonly lead: (target: number) => void
  readonly close: () => void
}

/** Forwards a free port of the loopback interface to another one, until the scope closes. */
export const make = (first: number) =>
  Effect.acquireRelease(
    Effect.callback<Proxy>((resume) => {
      const sockets = new Set<Socket>()
      let isHole = false
      let target = first
      let last: string | undefined
      const server = createServer((client) => {
        const upstream = createConnection({ host: "127.0.0.1", port: target })
        client.on("data", (bytes) => {
          if (last === undefined || !bytes.includes(last)) return
          last = undefined
          set(true)
        })
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
      const openAt = (text: string) => {
        last = text
      }
      const lead = (port: number) => {
        target = port
      }
      const close = () => {
        for (const socket of sockets) socket.destroy()
        server.close()
      }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        if (typeof address === "object" && address !== null) {
          resume(Effect.succeed({ port: address.port, set, openAt, lead, close }))
        }
      })
    }),
    ({ close }) => Effect.sync(close),
  ).pipe(
    Effect.map(({ lead, openAt, port, set }) => ({
      port,
      open: Effect.sync(() => set(true)),
      /** Opens it once a client has sent this text, whose answer is the first that does not arrive. */
      openAt: (text: string) => Effect.sync(() => openAt(text)),
      mend: Effect.sync(() => set(false)),
      leadTo: (target: number) => Effect.sync(() => lead(target)),
    })),
  )
