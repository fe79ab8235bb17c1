/**
 * A Redis of its own for a test: Debian's `redis-server`, on a free port of this machine. It keeps nothing on the disk.
 */
import { execFileSync, spawn } from "node:child_process"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

export interface Redis {
  readonly url: string
  readonly password: string
  /** Ends it, as by a crash: what it knew is gone. */
  readonly stop: Effect.Effect<void>
  /** Starts it again, at the same address. */
  readonly start: Effect.Effect<void>
  /** Loses its clients, as by a network that fails for a moment. It forgets nothing. */
  readonly dropConnections: () => void
}

/** A port at which nobody listens. */
export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

/** Runs until the scope ends. */
export const make: Effect.Effect<Redis, never, Scope.Scope> = Effect.gen(function* () {
  const port = yield* freePort
  const password = "a-password-for-tests"
  const scope = yield* Effect.scope
  let stop: Effect.Effect<void> = Effect.void
  const start = Effect.acquireRelease(serve(port, password), (stop) => stop).pipe(
    Effect.map((stopThis) => {
      stop = stopThis
    }),
    Scope.provide(scope),
  )
  yield* start
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    password,
    stop: Effect.suspend(() => stop),
    start,
    dropConnections: () => {
      const kill = ["client", "kill", "type", "normal"]
      execFileSync("redis-cli", ["--no-auth-warning", "-a", password, "-p", String(port), ...kill])
    },
  }
})

/** Gives what ends it, once it answers. */
const serve = (port: number, password: string) =>
  Effect.callback<Effect.Effect<void>>((resume) => {
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
      if (output.includes("Ready to accept connections")) resume(Effect.succeed(stop))
    })
    child.once("exit", () => resume(Effect.die(`redis-server does not start: ${output}`)))
  })
