/** Whether connections keep their sessions, which have the locks of a runner. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"

/** Not prepared: the next statement may run in another session. */
const backendOf = (connection: Connection) =>
  Effect.map(connection.executeValuesUnprepared("select pg_backend_pid()", []), ([row]) => row?.[0])

/** A pooler may give a session to a transaction of another program meanwhile. */
const tries = 3

/**
 * Whether a pooler gives the session of a connection to another connection between two transactions, as PgBouncer does with
 * `pool_mode = transaction`.
 *
 * Where it gives the session that was used last, the second connection gets that of the first one for a transaction. Where it gives
 * all of them in turn (`server_round_robin = 1`), the first connection gets another one each time.
 */
export const areShared = (sql: Pick<SqlClient, "reserve">): Effect.Effect<boolean, SqlError> =>
  Effect.gen(function* () {
    const one = yield* sql.reserve
    const other = yield* sql.reserve
    const backend = yield* backendOf(one)
    if ((yield* backendOf(one)) !== backend) return true
    const during = Effect.gen(function* () {
      if ((yield* backendOf(other)) === backend) return true
      return (yield* backendOf(one)) !== backend
    })
    // It can be interrupted: a pooler whose sessions are all in use lets it wait for minutes.
    return yield* other
      .executeUnprepared("begin", [], undefined)
      .pipe(Effect.andThen(during), Effect.ensuring(Effect.ignore(other.executeUnprepared("rollback", [], undefined))))
  }).pipe(Effect.scoped, Effect.repeat({ times: tries - 1, until: (isShared) => isShared }))
