/**
 * Connections that follow a failover. The server that was the primary may stay up as a standby and keep its connections, while the name
 * of the database leads to its successor: only a new connection gets there.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as RcRef from "effect/RcRef"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import * as SqlErrors from "./sqlError.ts"

/** How long a connection is used at most. The one with the locks of a runner is used until it fails. */
const defaultLifetime = Duration.minutes(10)

/** A server that accepts no writes for hours, because its disk is full, gets no new connections more often than this. */
const givenUpEvery = Duration.seconds(5)

export interface Options extends PgClient.PgPoolConfig {
  readonly lifetime?: Duration.Input | undefined
}

export interface Pool {
  /** Its statements run on connections of the pool. */
  readonly client: SqlClient.SqlClient

  /**
   * Runs `heard` when it listens to a channel, and for each notification. It ends when its connection is as old as a connection may
   * be, or is given up, and fails with it.
   */
  readonly listen: (channel: string, heard: Effect.Effect<void>) => Effect.Effect<void, SqlError>
}

/** PostgreSQL answers `ROLLBACK` to the `COMMIT` of a transaction that has failed, without an error. */
const commit = (connection: Connection): Effect.Effect<void, SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (result) => {
    const isRolledBack =
      typeof result === "object" && result !== null && "command" in result && result.command === "ROLLBACK"
    if (!isRolledBack) return Effect.void
    const cause = new Error("the transaction had failed, and was rolled back")
    return Effect.fail(
      new SqlError({ reason: new UnknownError({ cause, message: cause.message, operation: "commit" }) }),
    )
  })

/** A connection whose errors of a server that accepts no writes are noticed. */
const watched = (connection: Connection, onReadOnly: Effect.Effect<void>): Connection => {
  const notice = (error: SqlError) => (SqlErrors.isReadOnly(error) ? onReadOnly : Effect.void)
  const watch = <A>(statement: Effect.Effect<A, SqlError>) => Effect.tapError(statement, notice)
  return {
    execute: (...args) => watch(connection.execute(...args)),
    executeRaw: (...args) => watch(connection.executeRaw(...args)),
    executeValues: (...args) => watch(connection.executeValues(...args)),
    executeValuesUnprepared: (...args) => watch(connection.executeValuesUnprepared(...args)),
    executeUnprepared: (...args) => watch(connection.executeUnprepared(...args)),
    executeStream: (...args) => Stream.tapError(connection.executeStream(...args), notice),
  }
}

/** Opens connections when statements need them. */
export const make = Effect.fnUntraced(function* ({ lifetime = defaultLifetime, ...config }: Options) {
  const opened = yield* RcRef.make({
    acquire: Effect.all({
      client: PgClient.make({ ...config, connectionTTL: lifetime }),
      openedAt: Clock.monotonicTimeNanos,
      givenUp: Deferred.make<void>(),
    }),
    // Not closed while nothing runs.
    idleTimeToLive: Duration.infinity,
  })

  const current = RcRef.get(opened)

  /** All connections, for most of them lead to the same server. What runs on them is finished first. */
  const giveUp = Effect.fnUntraced(function* ({ givenUp, openedAt }: Effect.Success<typeof current>) {
    const age = Duration.nanos((yield* Clock.monotonicTimeNanos) - openedAt)
    if (Duration.isLessThan(age, givenUpEvery)) return
    // Only the first of the statements that fail together: the next ones would give up what was opened since.
    if (yield* Deferred.succeed(givenUp, undefined)) yield* RcRef.invalidate(opened)
  }, Effect.uninterruptible)

  const acquirer = Effect.flatMap(current, (pool) =>
    Effect.map(pool.client.reserve, (connection) => watched(connection, giveUp(pool))),
  )
  const client = yield* SqlClient.make({
    acquirer,
    compiler: PgClient.makeCompiler(),
    driver: "pg",
    spanAttributes: [["db.system.name", "postgresql"]],
    prepareTransactionControls: true,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    commit,
  })
  const pool: Pool = {
    client,
    listen: (channel, heard) =>
      Effect.gen(function* () {
        const { client, givenUp } = yield* current
        const notifications = yield* client.listen(channel)
        yield* heard
        yield* Effect.raceFirst(
          Effect.forever(Effect.andThen(Queue.take(notifications), heard)),
          Deferred.await(givenUp),
        )
      }).pipe(Effect.scoped, Effect.timeoutOption(lifetime), Effect.asVoid),
  }
  return pool
})
