import { assert, describe, it } from "@effect/vitest"
import { PostgresServer } from "@live-response/cluster/testing/PostgresServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { Connection } from "effect/sql/SqlConnection"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import * as Connections from "../src/internal/connection.ts"
import * as Sessions from "../src/internal/sessions.ts"
import { sharedServer, startServer } from "./support/server.ts"

startServer()

const connect = Effect.flatMap(PostgresServer, ({ runner }) => Connections.connect({ url: runner }))

/** A pooler of transactions: a connection has a session for each transaction, the free one that was used last, or first. */
const pooler = (sessions: ReadonlyArray<Connection>, next: "last" | "first" = "last") => {
  const free = sessions.slice()
  const connection = (): Connection => {
    let own: Connection | undefined
    const run = <A, E>(use: (session: Connection) => Effect.Effect<A, E>, isLast: boolean) =>
      Effect.suspend(() => {
        const session = own ?? (next === "last" ? free.pop() : free.shift())
        if (session === undefined) return Effect.die("no session is free")
        own = isLast ? undefined : session
        return Effect.ensuring(
          use(session),
          Effect.sync(() => {
            if (isLast) free.push(session)
          }),
        )
      })
    const isOpen = () => own !== undefined
    const [first = assert.fail("no session")] = sessions
    return {
      ...first,
      executeValuesUnprepared: (...args) => run((session) => session.executeValuesUnprepared(...args), !isOpen()),
      executeUnprepared: (...args) => run((session) => session.executeUnprepared(...args), args[0] === "rollback"),
    }
  }
  return { reserve: Effect.sync(connection) }
}

describe("Sessions.areShared", () => {
  it.live("is false where each connection has a session, and true behind a pooler of transactions", () =>
    Effect.gen(function* () {
      const { client } = yield* connect
      assert.isFalse(yield* Sessions.areShared(client))
      const sessions = yield* Effect.all([client.reserve, client.reserve])
      assert.isTrue(yield* Sessions.areShared(pooler(sessions)))
      assert.isTrue(yield* Sessions.areShared(pooler(sessions.slice(1))))
      assert.isTrue(yield* Sessions.areShared(pooler(sessions, "first")))
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(sharedServer, Reactivity.layer))),
  )

  it.live("is true behind a pooler of statements, which closes each connection that begins a transaction", () =>
    Effect.gen(function* () {
      const { client } = yield* connect
      /** The driver drops what PgBouncer says before it closes the connection. */
      const closing = (times: number) => {
        let left = times
        const begin = (own: Connection, ...args: Parameters<Connection["executeUnprepared"]>) => {
          const cause = new Error("Connection closed")
          return args[0] === "begin" && left-- > 0
            ? Effect.fail(new SqlError({ reason: new ConnectionError({ cause, operation: "query" }) }))
            : own.executeUnprepared(...args)
        }
        return {
          reserve: Effect.map(client.reserve, (own) => ({
            ...own,
            executeUnprepared: (...args: Parameters<Connection["executeUnprepared"]>) => begin(own, ...args),
          })),
        }
      }
      assert.isTrue(yield* Sessions.areShared(closing(Infinity)))
      // Such as by a server that restarts.
      assert.isFalse(yield* Sessions.areShared(closing(1)))
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(sharedServer, Reactivity.layer))),
  )

  it.live("can be interrupted where a pooler has no session for the second connection", () =>
    Effect.gen(function* () {
      const { client } = yield* connect
      const one = yield* client.reserve
      const waiting: Connection = {
        ...one,
        executeUnprepared: (...args) => (args[0] === "begin" ? Effect.never : one.executeUnprepared(...args)),
      }
      const answer = yield* Effect.timeoutOption(Sessions.areShared({ reserve: Effect.succeed(waiting) }), "100 millis")
      assert.isTrue(Option.isNone(answer))
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(sharedServer, Reactivity.layer))),
  )

  it.live("is what a statement says that is not prepared in the session where it runs", () =>
    Effect.gen(function* () {
      const { client, fromSqlError } = yield* connect
      const error = fromSqlError(yield* Effect.flip(client`execute not_prepared`.unprepared))
      assert.strictEqual(error.reason._tag, "SharedSessions")
      assert.match(
        error.message,
        /: a pooler shares its sessions \(prepared statement "not_prepared" does not exist\); set /,
      )
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(sharedServer, Reactivity.layer))),
  )
})
