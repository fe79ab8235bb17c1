/** Connections to a database, and its errors without secrets. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import { DatabaseError, type Reason, Refused, Unreachable } from "../DatabaseError.ts"
import * as SqlErrors from "./sqlError.ts"

export interface Options {
  /** `postgres://<role>:<password>@<host>:<port>/<database>`. With `?sslmode=require` the connection is always encrypted. */
  readonly url: Redacted.Redacted<string>

  /** How long a statement may take, its connection included. By default 15 seconds. */
  readonly timeout?: Duration.Input | undefined

  /** How many connections this program opens at most. By default 5. */
  readonly maxConnections?: number | undefined

  /** The name that `pg_stat_activity` shows, cut at 63 bytes. By default `live-response`. */
  readonly applicationName?: string | undefined
}

const defaultTimeout = Duration.seconds(15)

/** What is said of the address in messages, and what must not be. */
const describeUrl = (url: Redacted.Redacted<string>) => {
  const parsed = URL.parse(Redacted.value(url))
  if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol)) return undefined
  const { host, password, pathname, searchParams } = parsed
  const passwords = [password, searchParams.get("password") ?? ""].filter((text) => text !== "")
  return { name: `${host}${pathname}`, secrets: [url, ...passwords.map((text) => Redacted.make(text))] }
}

const notAnAddress = new DatabaseError({
  database: "an unknown address",
  reason: new Refused({ description: "its URL is not postgres://<role>:<password>@<host>:<port>/<database>" }),
})

/** Connects when a statement needs it. `timeout` bounds each statement at the server. */
export const connect = Effect.fnUntraced(function* (options: Options) {
  const { name, secrets } = yield* Effect.mapError(Effect.fromNullishOr(describeUrl(options.url)), () => notAnAddress)
  const timeout = Duration.fromInputUnsafe(options.timeout ?? defaultTimeout)
  const failed = (reason: Reason) => new DatabaseError({ database: name, reason })
  const fromSqlError = (error: SqlError) => {
    const description = TerminalText.shorten(TerminalText.withoutSecrets(SqlErrors.describe(error), secrets))
    return failed(SqlErrors.isTransient(error) ? new Unreachable({ description }) : new Refused({ description }))
  }
  const client = yield* PgClient.make({
    url: options.url,
    maxConnections: options.maxConnections ?? 5,
    applicationName: options.applicationName ?? "live-response",
    connectTimeout: timeout,
    startupParameters: { statement_timeout: String(Math.ceil(Duration.toMillis(timeout))) },
  }).pipe(Effect.mapError(fromSqlError))
  return { client, name, timeout, failed, fromSqlError }
})
