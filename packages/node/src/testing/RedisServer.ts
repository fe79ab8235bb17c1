/**
 * A Redis server for a test: the `redis-server` of this machine on a free port of the loopback interface.
 *
 * @since 0.1.0
 */
import { execFileSync, spawn } from "node:child_process"
import { tmpdir } from "node:os"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { freePort } from "./FreePort.ts"

/**
 * A running server, and ways to disturb it.
 *
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** `redis://:<password>@127.0.0.1:<port>` */
  readonly url: string

  /** The password of this server. It protects nothing else. */
  readonly password: string

  /** Kills the server, like a crash. It stores nothing on disk, so its data is lost. */
  readonly stop: Effect.Effect<void>

  /** Starts the server again at the same address. */
  readonly start: Effect.Effect<void>

  /** Stops the server from answering while its connections stay open, like a machine that hangs. Only `thaw` reverses it. */
  readonly freeze: Effect.Effect<void>

  /** Lets the server continue after `freeze`. */
  readonly thaw: Effect.Effect<void>

  /** Closes the connections of all clients, like a network that fails for a moment. No data is lost. */
  readonly dropConnections: Effect.Effect<void>
}

/**
 * The Redis server of a test.
 *
 * @since 0.1.0
 * @category services
 */
export class RedisServer extends Context.Service<RedisServer, Service>()("@live-response/node/testing/RedisServer") {}

interface Running {
  readonly stop: Effect.Effect<void>
  readonly signal: (name: NodeJS.Signals) => void
}

/** Runs a server. Returns when it accepts connections. */
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
 * Runs a server, protected by a password, until the scope closes.
 *
 * **Gotchas**
 *
 * A machine without `redis-server` is a defect.
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
 * Provides one server for all tests of a suite.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<RedisServer> = Layer.effect(RedisServer, make)
