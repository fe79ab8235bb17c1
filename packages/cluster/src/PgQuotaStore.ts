/**
 * Stores logs of calls in PostgreSQL, for the runners of a cluster. All times are those of the server, so the clocks of the
 * machines do not matter.
 *
 * @since 0.1.0
 */
import * as QuotaRule from "@live-response/core/QuotaRule"
import { type CallLog, type LogOptions, QuotaStore, retention } from "@live-response/core/QuotaStore"
import { QuotaFull, QuotaStoreError, Unreachable, Unusable } from "@live-response/core/QuotaStoreError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Database } from "./Database.ts"
import { type DatabaseError, isPassing } from "./DatabaseError.ts"
import * as QuotaAnswers from "./internal/quotaAnswers.ts"

const fromDatabaseError = ({ database, description, reason }: DatabaseError) =>
  new QuotaStoreError({
    store: `PostgreSQL at ${database}`,
    reason: isPassing(reason) ? new Unreachable({ description: reason.description }) : new Unusable({ description }),
    advice: "check the database (LIVE_RESPONSE_DATABASE_URL)",
  })

/** Counts and milliseconds. */
const Amount = Schema.Finite
const Amounts = Schema.Array(Amount)

/** The one row of an answer. */
const decoderOf = <A, I>(schema: Schema.Codec<A, I>) => {
  const decode = Schema.decodeUnknownEffect(Schema.Tuple([schema]))
  return (rows: unknown) => Effect.map(Effect.orDie(decode(rows)), ([row]) => row)
}

const decodeWait = decoderOf(Schema.Struct({ wait: Amount }))
const decodeStatus = decoderOf(Schema.Struct({ blocked: Amount, used: Amounts, delay: Amounts }))
const decodeCalls = decoderOf(Schema.Struct({ now: Amount, in_flight: Amount, blocked_until: Amount, stamps: Amounts }))

const arrayOf = (numbers: ReadonlyArray<number>): string => `{${numbers.join(",")}}`

type Query = <A>(use: (sql: SqlClient) => Effect.Effect<A, SqlError>) => Effect.Effect<A, QuotaStoreError>

/** The operations of the database, with the errors of a log. */
interface Queries {
  /** Fails where the database does not answer. */
  readonly query: Query
  /** Waits for as long as the database does not answer, which the database reports once. */
  readonly patiently: Query
}

type Answers = Effect.Success<ReturnType<typeof QuotaAnswers.make<QuotaStoreError>>>

/** The operations on a log, each one statement. */
const statementsOf = ({ patiently, query }: Queries, nextId: () => string, { lease, name, windows }: LogOptions) => {
  const longest = String(QuotaRule.longest(windows))
  const keep = String(Math.max(Duration.toMillis(retention), Number(longest)))
  const leased = String(Duration.toMillis(lease))
  const limits = arrayOf(windows.map(({ limit }) => limit))
  const millis = arrayOf(windows.map(({ duration }) => Duration.toMillis(duration)))
  return {
    /** Each attempt is a permit of its own: that of one whose answer was lost counts as in flight until its lease ends. */
    acquire: patiently((sql) =>
      Effect.suspend(() => {
        const id = nextId()
        return Effect.map(
          sql`select live_response.quota_acquire(${name}, ${keep}::float8, ${id}, ${leased}::float8,
            ${limits}::int[], ${millis}::float8[]) as wait`,
          (rows) => ({ id, rows }),
        )
      }),
    ).pipe(Effect.flatMap(({ id, rows }) => Effect.map(decodeWait(rows), ({ wait }) => ({ id, wait })))),
    release: (id: string) =>
      Effect.asVoid(query((sql) => sql`delete from live_response.quota_calls where log = ${name} and id = ${id}`)),
    throttled: (wait: number, { duration, limit }: QuotaRule.Window) => {
      const window = String(Duration.toMillis(duration))
      return patiently((sql) =>
        Effect.suspend(
          () => sql`select live_response.quota_throttled(${name}, ${keep}::float8, ${nextId()}, ${String(wait)}::float8,
            ${String(limit)}::int, ${window}::float8)::text`,
        ),
      ).pipe(Effect.asVoid)
    },
    status: query(
      (sql) =>
        sql`select * from live_response.quota_status(${name}, ${keep}::float8, ${limits}::int[], ${millis}::float8[])`,
    ).pipe(Effect.flatMap(decodeStatus)),
    calls: query(
      (sql) => sql`select * from live_response.quota_calls_of(${name}, ${keep}::float8, ${longest}::float8)`,
    ).pipe(Effect.flatMap(decodeCalls)),
  }
}

/** The metrics of a log are read from the database, so they are refreshed rarely. */
const refreshEvery = Duration.minutes(10)

const makeLog = (queries: Queries, answers: Answers, nextId: () => string, options: LogOptions): CallLog => {
  const { name, windows } = options
  const statements = statementsOf(queries, nextId, options)
  const settle = answers.settle(name)
  const settled = <A, E>(operation: Effect.Effect<A, E>) => Effect.andThen(settle, operation)
  /** Answers that can't be written yet count as calls in flight. */
  const settledIfPossible = <A, E>(operation: Effect.Effect<A, E>) => Effect.andThen(Effect.ignore(settle), operation)
  return {
    refreshEvery,
    acquire: Effect.flatMap(settledIfPossible(statements.acquire), ({ id, wait }) =>
      wait > 0
        ? Effect.fail(new QuotaFull({ retryAfter: Duration.millis(Math.ceil(wait)) }))
        : Effect.succeed({ answered: answers.add(name, id), release: statements.release(id) }),
    ),
    throttled: (wait) => {
      const blocked = QuotaRule.throttleWait(wait)
      const full = QuotaRule.fullWindow(windows, blocked)
      return full === undefined ? Effect.void : settledIfPossible(statements.throttled(blocked, full))
    },
    status: Effect.map(settled(statements.status), ({ blocked, delay, used }) => {
      const uses = windows.map((_, i) => ({ used: used[i] ?? 0, delay: delay[i] ?? 0 }))
      return QuotaRule.statusOf(windows, uses, blocked)
    }),
    calls: Effect.map(settled(statements.calls), ({ blocked_until, in_flight, now, stamps }) => ({
      now,
      inFlight: in_flight,
      blockedUntil: blocked_until,
      stamps,
    })),
  }
}

/**
 * Stores the logs in the database.
 *
 * **Details**
 *
 * An operation is one statement. While the database does not answer, calls wait, and `Database` warns once for all logs. The status
 * of a log fails with the reason `Unreachable` then. A log keeps answers for a day, or for the longest window where that is more.
 *
 * Answers are written together after two seconds, or before the next operation on their log. Until then other programs count the
 * call as in flight.
 *
 * **Gotchas**
 *
 * A permit whose program is gone counts as in flight until its lease has expired, because PostgreSQL can't know that the
 * program is gone. If the clock of the server is set forward, the calls of other programs leave their windows early; those of this
 * program do not (`Quota.make`).
 *
 * @example
 * ```ts
 * import * as Database from "@live-response/cluster/Database"
 * import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
 * import * as Quota from "@live-response/core/Quota"
 * import * as Layer from "effect/Layer"
 *
 * export const shared = Quota.layer({ owner: "tenant app" }).pipe(
 *   Layer.provide(PgQuotaStore.layer),
 *   Layer.provide(Database.layerConfig),
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<QuotaStore, never, Database> = Layer.effect(
  QuotaStore,
  Effect.gen(function* () {
    const database = yield* Database
    // One name for each program, and a number for each of its permits.
    const program = (yield* Random.nextInt).toString(36)
    let permits = 0
    const nextId = () => `${program}:${permits++}`
    const query: Query = (use) => Effect.mapError(database.query(use), fromDatabaseError)
    const patiently: Query = (use) => Effect.mapError(database.patiently(use), fromDatabaseError)
    const answers = yield* QuotaAnswers.make(query)
    const logOf = (query: Query, options: LogOptions) => makeLog({ query, patiently }, answers, nextId, options)
    return {
      // Waits for the database, and fails at once where it refuses the log.
      open: (options) => Effect.as(logOf(patiently, options).status, logOf(query, options)),
    }
  }),
)
