/** A Redis of its own for a test: Debian's `redis-server`, on a free port of this machine. */
import { spawn } from "node:child_process"
import { createServer } from "node:net"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { tempDirectory } from "./samples.ts"

export const password = "a-password-for-tests"

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

export interface Redis {
  readonly url: Redacted.Redacted<string>
  /** Ends it, as by a crash. It keeps nothing. */
  readonly stop: Effect.Effect<void>
  readonly start: Effect.Effect<void>
}

export class RedisServer extends Context.Service<RedisServer, Redis>()(
  "@live-response/node/test/support/redis/RedisServer",
) {
  static readonly layer = Layer.effect(
    RedisServer,
    Effect.gen(function* () {
      const port = yield* freePort
      const directory = yield* tempDirectory
      let stop: Effect.Effect<void> = Effect.void
      const start = Effect.acquireRelease(
        Effect.callback<Effect.Effect<void>>((resume) => {
          const args = [
            "--port",
            port,
            "--bind",
            "127.0.0.1",
            "--requirepass",
            password,
            "--save",
            "",
            "--dir",
            directory,
          ]
          const child = spawn("redis-server", args.map(String))
          child.on("error", (error) => resume(Effect.die(`redis-server does not start: ${error.message}`)))
          const ended = Effect.callback<void>((resume) => {
            if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
            child.once("exit", () => resume(Effect.void))
            child.kill("SIGKILL")
          })
          let output = ""
          child.stdout.on("data", (data: Buffer) => {
            output += data.toString()
            if (output.includes("Ready to accept connections")) resume(Effect.succeed(ended))
          })
          child.on("exit", () => resume(Effect.die(`redis-server does not start: ${output}`)))
        }),
        (ended) => ended,
      ).pipe(
        Effect.map((ended) => {
          stop = ended
        }),
      )
      yield* start
      const scope = yield* Effect.scope
      return {
        url: Redacted.make(`redis://:${password}@127.0.0.1:${port}`),
        stop: Effect.suspend(() => stop),
        start: Scope.provide(start, scope),
      }
    }),
  )
}
