/**
 * Answers of calls that are not in the log yet. They are written together, because a statement for each would be half of what an idle
 * tenant costs. Until then a call counts as in flight, so no limit is exceeded.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { SqlClient } from "effect/sql/SqlClient"
import * as Background from "./background.ts"

interface Answer {
  readonly log: string
  readonly id: string
  /** On the monotonic clock of this program. */
  readonly at: bigint
}

/** How long an answer waits for others. */
const writeEvery = Duration.seconds(2)

/** How long the end of the program waits for the last answers. Those that are not written count from the end of their lease. */
const lastWrite = Duration.seconds(2)

/** The rows may be gone, or answered at the end of their lease: an answer counts from its time on in any case. */
const insert = (sql: SqlClient, answers: ReadonlyArray<Answer>, now: bigint) => {
  const rows = answers.map(({ at, id, log }) => ({ log, id, age: Number(now - at) / 1e6 }))
  return sql`insert into live_response.quota_calls (log, id, at, lease_until)
    select log, id, clock_timestamp() - age * interval '1 millisecond', clock_timestamp()
      from json_to_recordset(${JSON.stringify(rows)}::json) as answers (log text, id text, age float8)
    on conflict (log, id) do update set at = excluded.at`
}

/** Collects answers until the scope closes. `write` runs a statement. */
export const make = Effect.fnUntraced(function* <E>(
  write: (use: (sql: SqlClient) => ReturnType<typeof insert>) => Effect.Effect<unknown, E>,
) {
  const clock = yield* Clock.Clock
  const oneAtATime = yield* Semaphore.make(1)
  /** In the order of their times. An answer is removed once it is written. */
  let waiting: ReadonlyArray<Answer> = []

  const flush = Effect.suspend(() => {
    const answers = waiting
    if (answers.length === 0) return Effect.void
    return Effect.tap(
      write((sql) => insert(sql, answers, clock.monotonicTimeNanosUnsafe())),
      () =>
        Effect.sync(() => {
          waiting = waiting.slice(answers.length)
        }),
    )
  }).pipe(Effect.asVoid, oneAtATime.withPermits(1))

  // Where the database is away, the next call of the API says so.
  yield* Background.repeat("the record of answers", Effect.ignore(flush), writeEvery)
  yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeoutOption(flush, lastWrite)))

  return {
    add: (log: string, id: string) =>
      Effect.sync(() => {
        waiting = [...waiting, { log, id, at: clock.monotonicTimeNanosUnsafe() }]
      }),

    /** Writes all answers if one of this log waits: its operations then count it exactly. */
    settle: (log: string): Effect.Effect<void, E> =>
      Effect.suspend(() => (waiting.some((answer) => answer.log === log) ? flush : Effect.void)),
  }
})
