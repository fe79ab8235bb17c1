/** A connection to Redis in which nothing waits for ever, whatever the server says or does not say. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as RcRef from "effect/RcRef"
import * as Redacted from "effect/Redacted"
import type { createClient } from "redis"
import type { RedisAddress } from "./redisAddress.ts"

type CreateClient = typeof createClient

const failed = (cause: unknown) => new Redis.RedisError({ cause })

const unsupported = Effect.fail(failed(new Error("this connection only sends commands")))

/** The client's own time-outs notice only silence: a server that sends a byte now and then would hold it for ever. */
const optionsOf = ({ database, host, password, port, tls, username }: RedisAddress, timeout: Duration.Duration) => ({
  database,
  ...(username === undefined ? {} : { username }),
  ...(password === undefined ? {} : { password: Redacted.value(password) }),
  disableOfflineQueue: true,
  socket: {
    host,
    port,
    ...(tls ? { tls } : {}),
    connectTimeout: Duration.toMillis(timeout),
    reconnectStrategy: false as const,
  },
})

/**
 * Sends commands over one connection. Fails if there is no Redis at the start.
 *
 * Each command has `timeout` for its answer, including the time to connect. A command without an answer closes the
 * connection, because what arrives next on it may be the rest of that answer. So does `timeout` without a command. The next
 * command opens a new connection.
 */
export const layer = (
  create: CreateClient,
  address: RedisAddress,
  timeout: Duration.Duration,
): Layer.Layer<Redis.Redis, Redis.RedisError> =>
  Layer.effect(
    Redis.Redis,
    Effect.gen(function* () {
      const run = Effect.runForkWith(yield* Effect.context<never>())
      const open = Effect.acquireRelease(
        Effect.sync(() => {
          const client = create(optionsOf(address, timeout))
          // Without a listener it ends the program. What was sent fails by itself, and the next command needs another one.
          return client.on("error", () => void run(RcRef.invalidate(connection)))
        }),
        // `close` would wait for answers that may never come.
        (client) => Effect.sync(() => client.destroy()),
      ).pipe(Effect.tap((client) => Effect.tryPromise({ try: () => client.connect(), catch: failed })))
      const connection = yield* RcRef.make({ acquire: open, idleTimeToLive: timeout })
      const send = <A>(...command: ReadonlyArray<string>): Effect.Effect<A, Redis.RedisError> =>
        RcRef.get(connection).pipe(
          Effect.flatMap((client) =>
            Effect.tryPromise({ try: () => client.sendCommand<A>([...command]), catch: failed }),
          ),
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () => Effect.fail(failed(new Error("no answer in time"))),
          }),
          Effect.onError(() => RcRef.invalidate(connection)),
          Effect.scoped,
        )
      yield* send("PING")
      return yield* Redis.make({ send, connect: unsupported, subscribe: () => unsupported })
    }),
  )
