/** Connections to a database, and its errors without secrets. */
import * as TerminalText from "@live-response/core/TerminalText"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import {
  DatabaseError,
  Exhausted,
  InvalidAddress,
  ReadOnly,
  type Reason,
  Refused,
  SharedSessions,
  TlsFailed,
  Unreachable,
} from "../DatabaseError.ts"
import * as Address from "./address.ts"
import * as Pool from "./pool.ts"
import * as SqlErrors from "./sqlError.ts"

export interface Options {
  /**
   * `postgres://<role>:<password>@<host>:<port>/<database>`. The connection is encrypted where the server offers that, and always
   * with `?sslmode=require`. `?sslrootcert=<path>` names a file with the authorities whose certificates are trusted.
   */
  readonly url: Redacted.Redacted<string>

  /** How long a statement may take, its connection included. By default 15 seconds. */
  readonly timeout?: Duration.Input | undefined

  /** How many connections this program opens at most. By default 5. */
  readonly maxConnections?: number | undefined

  /** How long a connection is used at most, so that all follow the address when it leads to another server. By default 10 minutes. */
  readonly connectionLifetime?: Duration.Input | undefined

  /** The name that `pg_stat_activity` shows, cut at 63 bytes. By default `live-response`. */
  readonly applicationName?: string | undefined
}

const defaultTimeout = Duration.seconds(15)

export const addressOf = (url: Options["url"]) =>
  Effect.mapError(
    Address.read(url),
    ({ name = "an unknown address", problem }) =>
      new DatabaseError({ database: name, reason: new InvalidAddress({ problem: TerminalText.shorten(problem) }) }),
  )

/** Connects when a statement needs it. `timeout` bounds each statement at the server. */
export const connect = Effect.fnUntraced(function* (options: Options) {
  const { ca, name, secrets, url } = yield* addressOf(options.url)
  const timeout = Duration.fromInputUnsafe(options.timeout ?? defaultTimeout)
  const failed = (reason: Reason) => new DatabaseError({ database: name, reason })
  const fromSqlError = (error: SqlError) => {
    const description = TerminalText.shorten(TerminalText.withoutSecrets(SqlErrors.describe(error), secrets))
    const tls = SqlErrors.tlsProblem(error)
    if (tls !== undefined) return failed(new TlsFailed({ problem: tls, description }))
    if (SqlErrors.isReadOnly(error)) return failed(new ReadOnly({ description }))
    if (SqlErrors.isOfSharedSession(error)) return failed(new SharedSessions({ description }))
    if (SqlErrors.isExhausted(error)) return failed(new Exhausted({ description }))
    return failed(SqlErrors.isTransient(error) ? new Unreachable({ description }) : new Refused({ description }))
  }
  /** Fails where the server has not answered in time. */
  const inTime =
    (duration: Duration.Input) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DatabaseError, R> =>
      Effect.timeoutOrElse(effect, {
        duration,
        orElse: () => Effect.fail(failed(new Unreachable({ description: "no answer in time" }))),
      })
  const { client, listen } = yield* Pool.make({
    url,
    lifetime: options.connectionLifetime,
    ...(ca === undefined ? {} : { ssl: { ca } }),
    maxConnections: options.maxConnections ?? 5,
    applicationName: options.applicationName ?? "live-response",
    connectTimeout: timeout,
    // One that only listens would not notice that a firewall has forgotten it.
    keepAlive: "30 seconds",
    startupParameters: {
      statement_timeout: String(Math.ceil(Duration.toMillis(timeout))),
      // The engine keeps times without a zone: with another one, a runner takes those that are alive for dead, or the reverse.
      timezone: "UTC",
    },
  })
  return { client, listen, name, timeout, failed, fromSqlError, inTime }
})

export type Connections = Effect.Success<ReturnType<typeof connect>>
