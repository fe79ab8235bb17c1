/**
 * The PostgreSQL database that the runners of a cluster share.
 *
 * @since 0.1.0
 */
import * as Outage from "@live-response/core/Outage"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { DatabaseError, NewerSchema, OlderSchema } from "./DatabaseError.ts"
import * as Connection from "./internal/connection.ts"
import { ofProgram } from "./internal/ofProgram.ts"
import { current, versionOf } from "./internal/schema.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options extends Connection.Options {}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The host and the name of the database, for messages. */
  readonly name: string

  /**
   * Runs statements. They fail if they take longer than the database's `timeout`, or than `timeout` if it is given.
   *
   * **Gotchas**
   *
   * A statement that fails with `Unreachable` may have been executed: perhaps only its answer is missing.
   */
  readonly query: <A>(
    use: (sql: SqlClient) => Effect.Effect<A, SqlError>,
    options?: { readonly timeout?: Duration.Input | undefined },
  ) => Effect.Effect<A, DatabaseError>

  /**
   * Runs statements as `query` does, and again for as long as the database does not answer. The statements must be ones that can
   * run twice. It logs a warning when the database goes away, and one line when it answers again.
   */
  readonly patiently: <A>(
    use: (sql: SqlClient) => Effect.Effect<A, SqlError>,
    options?: {
      /** For what can't wait behind all other statements of a busy program: it has a connection of its own. By default `false`. */
      readonly isUrgent?: boolean | undefined
    },
  ) => Effect.Effect<A, DatabaseError>
}

/**
 * Runs statements on the database.
 *
 * @since 0.1.0
 * @category services
 */
export class Database extends Context.Service<Database, Service>()("@live-response/cluster/Database") {}

/** How much longer than the server's bound this program waits: an answer that comes later is that of a connection that hangs. */
const grace = Duration.seconds(2)

/** Retries while the database does not answer. Every statement that is retried waits on its own. */
const untilItAnswers = Schedule.min([Schedule.exponential("200 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
)

const make = Effect.fnUntraced(function* (options: Options) {
  const { client, fromSqlError, inTime, name, timeout } = yield* Connection.connect(options)
  const bound = Duration.sum(timeout, grace)
  // Only a program that uses it has this connection.
  const urgent = yield* Effect.cached(
    Connection.connect({ ...options, maxConnections: 1 }).pipe(
      Effect.map(({ client }) => client),
      Effect.provideContext(yield* Effect.context<Reactivity.Reactivity | Scope.Scope>()),
    ),
  )

  const queryOn =
    (connection: typeof urgent): Service["query"] =>
    (use, { timeout = bound } = {}) =>
      Effect.flatMap(connection, (client) => Effect.mapError(use(client), fromSqlError)).pipe(inTime(timeout))
  const query = queryOn(Effect.succeed(client))
  const urgently = queryOn(urgent)
  // However many statements wait for it.
  const away = Outage.makeLogged(`PostgreSQL at ${name} answers again`)
  const lacking = Outage.makeLogged(`PostgreSQL at ${name} works again`)
  const service: Service = {
    name,
    query,
    patiently: (use, { isUrgent = false } = {}) =>
      Effect.suspend(() => {
        // A server that accepts no writes answers others: only a statement that it did not accept shows that it works again.
        let wasRefused = false
        const report = (error: DatabaseError) => {
          if (!error.isRetryable) return Effect.void
          const message = `${error.message}; what needs it waits`
          if (error.reason._tag === "Unreachable") return away.failed(message)
          wasRefused = true
          return Effect.andThen(away.works, lacking.failed(message))
        }
        const once = isUrgent ? urgently(use) : query(use)
        return once.pipe(
          Effect.tapError((error) => ofProgram(report(error))),
          Effect.retry({ schedule: untilItAnswers, while: ({ isRetryable }) => isRetryable }),
          Effect.tap(() => ofProgram(Effect.andThen(away.works, wasRefused ? lacking.works : Effect.void))),
        )
      }),
  }
  return service
})

/**
 * The host and the name of the database at a URL, as messages have it. It fails where the URL is not one.
 *
 * @since 0.1.0
 * @category getters
 */
export const nameOf = (url: Options["url"]): Effect.Effect<string, DatabaseError> =>
  Effect.map(Connection.addressOf(url), ({ name }) => name)

/** Fails unless the schema is the one of this release. */
const requireCurrent = Effect.fnUntraced(function* ({ name, query }: Service) {
  const version = yield* query(versionOf)
  if (version === current) return
  const schema = { version, needed: current }
  const reason = version < current ? new OlderSchema(schema) : new NewerSchema(schema)
  return yield* new DatabaseError({ database: name, reason })
})

/**
 * The database, whatever schema it has: what {@link Migrations} needs.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerUnchecked = (options: Options): Layer.Layer<Database, DatabaseError> =>
  Layer.effect(Database, make(options)).pipe(Layer.provide(Reactivity.layer))

/**
 * The database, with the schema of this release.
 *
 * **Details**
 *
 * It fails where the schema is older or newer, so that no runner writes what another release misreads. Behind PgBouncer, use
 * session pooling.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Database, DatabaseError> =>
  Layer.effect(Database, Effect.tap(make(options), requireCurrent)).pipe(Layer.provide(Reactivity.layer))

/**
 * The database at `LIVE_RESPONSE_DATABASE_URL`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Database, DatabaseError | Config.ConfigError> = Layer.unwrap(
  Effect.map(Config.Redacted("LIVE_RESPONSE_DATABASE_URL"), (url) => layer({ url })),
)
