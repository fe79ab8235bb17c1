/**
 * A Redis of its own for a test: the `redis-server` of the system, on a free port of this machine.
 *
 * @since 0.1.0
 */
import { execFileSync, spawn } from "node:child_process"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** `redis://:<password>@127.0.0.1:<port>` */
  readonly url: string

  /** It opens nothing but this server. */
  readonly password: string

  /** Ends it, as by a crash. It keeps nothing on the disk, so what it knew is gone. */
  readonly stop: Effect.Effect<void>

  /** Starts it again, at the same address. */
  readonly start: Effect.Effect<void>

  /** Lets it answer no more, and not even refuse: as by a machine that hangs. `start` and `stop` do not mend it. */
  readonly freeze: Effect.Effect<void>

  /** Lets it go on after `freeze`. */
  readonly thaw: Effect.Effect<void>

  /** Loses its clients, as by a network that fails for a moment. It forgets nothing. */
  readonly dropConnections: Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category services
 */
export class RedisServer extends Context.Service<RedisServer, Service>()("@live-response/node/testing/RedisServer") {}

/** A port at which nobody listens. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

interface Running {
  readonly stop: Effect.Effect<void>
  readonly signal: (name: NodeJS.Signals) => void
}

/** Runs it, and goes on once it answers. */
const serve = (port: number, password: string) =>
  Effect.callback<Running>((resume) => {
    const options = { port, bind: "127.0.0.1", requirepass: password, save: "", dir: tmpdir() }
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] })
    child.once("error", (error) => resume(Effect.die(`redis-server does not start: ${error.message}`)))
    const stop = Effect.callback<void>((resume) => {
      if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
      child.once("exit", () => resume(Effect.void))
      child.kill("SIGKILL")
    })
    let output = ""
    child.stdout.on("data", (data: Buffer) => {
      output += data.toString()
      if (output.includes("Ready to accept connections")) {
        resume(Effect.succeed({ stop, signal: (name) => void child.kill(name) }))
      }
    })
    child.once("exit", () => resume(Effect.die(`redis-server does not start: ${output}`)))
  })

/**
 * Runs a server until the scope ends, with a password.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  const password = "a-password-for-tests"
  const scope = yield* Effect.scope
  let running: Running | undefined
  const start = Effect.acquireRelease(serve(port, password), ({ stop }) => stop).pipe(
    Effect.map((started) => {
      running = started
    }),
    Scope.provide(scope),
  )
  yield* start
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    password,
    stop: Effect.suspend(() => running?.stop ?? Effect.void),
    start,
    freeze: Effect.sync(() => running?.signal("SIGSTOP")),
    thaw: Effect.sync(() => running?.signal("SIGCONT")),
    dropConnections: Effect.sync(() => {
      const kill = ["client", "kill", "type", "normal"]
      execFileSync("redis-cli", ["--no-auth-warning", "-a", password, "-p", String(port), ...kill])
    }),
  }
})

/**
 * A server for all tests of a suite.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RedisServer> = Layer.effect(RedisServer, make)
