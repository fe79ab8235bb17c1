/** Whether connections keep their sessions, which have the locks of a runner. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"

/** Not prepared: the next statement may run in another session. */
const backendOf = (connection: Connection) =>
  Effect.map(connection.executeValuesUnprepared("select pg_backend_pid()", []), ([row]) => row?.[0])

/** A pooler may give a session to a transaction of another program meanwhile, and a connection may break once. */
const tries = 3

/** What a comparison shows: `refused` where the connection is closed that begins a transaction. */
type Answer = "own" | "shared" | "refused"

const compare = Effect.fnUntraced(function* (
  sql: Pick<SqlClient, "reserve">,
): Effect.fn.Return<Answer, SqlError, Scope.Scope> {
  const one = yield* sql.reserve
  const other = yield* sql.reserve
  const backend = yield* backendOf(one)
  if ((yield* backendOf(one)) !== backend) return "shared"
  // It answers what is not a transaction.
  yield* backendOf(other)
  const during = Effect.gen(function* (): Effect.fn.Return<Answer, SqlError> {
    if ((yield* backendOf(other)) === backend) return "shared"
    return (yield* backendOf(one)) === backend ? "own" : "shared"
  })
  // It can be interrupted: a pooler whose sessions are all in use lets it wait for minutes.
  return yield* other.executeUnprepared("begin", [], undefined).pipe(
    Effect.matchEffect({
      onFailure: (error) =>
        error.reason._tag === "ConnectionError" ? Effect.succeed<Answer>("refused") : Effect.fail(error),
      onSuccess: () => during,
    }),
    Effect.ensuring(Effect.ignore(other.executeUnprepared("rollback", [], undefined))),
  )
}, Effect.scoped)

/**
 * Whether a pooler gives the session of a connection to another connection between two transactions, as PgBouncer does with
 * `pool_mode = transaction`, or between two statements (`pool_mode = statement`).
 *
 * Where it gives the session that was used last, the second connection gets that of the first one for a transaction. Where it gives
 * all of them in turn (`server_round_robin = 1`), the first connection gets another one each time. Where it does so between statements,
 * it closes each connection that begins a transaction; why, it says in a message that the driver drops.
 */
export const areShared = Effect.fnUntraced(function* (
  sql: Pick<SqlClient, "reserve">,
): Effect.fn.Return<boolean, SqlError> {
  let refused = 0
  for (let n = 0; n < tries; n++) {
    const answer = yield* compare(sql)
    if (answer === "shared") return true
    if (answer === "refused") refused++
  }
  return refused === tries
})
