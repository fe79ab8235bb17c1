/** Whether connections keep their sessions, which have the locks of a runner. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"

/** Not prepared: the next statement may run in another session. */
const backendOf = (connection: Connection) =>
  Effect.map(connection.executeValuesUnprepared("select pg_backend_pid()", []), ([row]) => row?.[0])

/** A pooler gives the session that was used last to the next transaction, which may be one of another program. */
const tries = 3

/**
 * Whether a pooler gives the session of a connection to another connection between two transactions, as PgBouncer does with
 * `pool_mode = transaction`: the second connection begins a transaction, for which it needs a session of its own.
 */
export const areShared = (sql: Pick<SqlClient, "reserve">): Effect.Effect<boolean, SqlError> =>
  Effect.gen(function* () {
    const one = yield* sql.reserve
    const other = yield* sql.reserve
    const backend = yield* backendOf(one)
    const during = Effect.gen(function* () {
      if ((yield* backendOf(other)) === backend) return true
      return (yield* backendOf(one)) !== backend
    })
    // It can be interrupted: a pooler whose sessions are all in use lets it wait for minutes.
    return yield* other
      .executeUnprepared("begin", [], undefined)
      .pipe(Effect.andThen(during), Effect.ensuring(Effect.ignore(other.executeUnprepared("rollback", [], undefined))))
  }).pipe(Effect.scoped, Effect.repeat({ times: tries - 1, until: (isShared) => isShared }))
