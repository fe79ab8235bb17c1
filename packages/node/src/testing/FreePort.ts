/**
 * A port for a server that runs as a process: its command line names the port.
 *
 * @since 0.1.0
 */
import { randomInt } from "node:crypto"
import { createServer } from "node:net"
import * as Effect from "effect/Effect"

/** Systems give clients, and servers that ask for any port, only higher ones: 32,768 on Linux, 49,152 elsewhere. */
const [lowest, highest] = [20_000, 32_767]

const isFree = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

/**
 * A port of the loopback interface that is not in use.
 *
 * **Details**
 *
 * The system gives it to nobody else, so it is still free when the server starts, and when it starts again after a stop.
 *
 * @since 0.1.0
 * @category constructors
 */
export const freePort: Effect.Effect<number> = Effect.suspend(() => {
  const port = randomInt(lowest, highest + 1)
  return Effect.flatMap(isFree(port), (free) => (free ? Effect.succeed(port) : Effect.fail("in use")))
}).pipe(Effect.eventually)
