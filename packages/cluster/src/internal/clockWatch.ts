/**
 * Compares the clock of this machine with that of the database. The cluster counts by the latter, and so works whatever the former says;
 * but a sign-in, TLS and an object store refuse a machine whose clock is wrong, and each of them says so in other words.
 */
import * as Outage from "@live-response/core/Outage"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Database } from "../Database.ts"
import * as Background from "./background.ts"
import { rowsOf } from "./rows.ts"

/** Less is not reported. Entra tolerates five minutes, S3 and Azure Storage fifteen. */
const tolerated = Duration.minutes(1)

const decode = rowsOf(Schema.Struct({ now: Schema.Finite }))

/** By how many milliseconds this machine is ahead at least, however long the answer took. Negative where it is behind. */
const ahead = Effect.gen(function* () {
  const { query } = yield* Database
  const asked = yield* Clock.currentTimeMillis
  const rows = yield* query((sql) => sql`select extract(epoch from clock_timestamp())::float8 * 1000 as now`)
  const answered = yield* Clock.currentTimeMillis
  const [{ now } = { now: asked }] = yield* decode(rows)
  return Math.max(asked - now, 0) + Math.min(answered - now, 0)
})

/** Fails with the difference where that is too large. A database that does not answer is reported by itself. */
const compare = Effect.flatMap(
  Effect.orElseSucceed(ahead, () => undefined),
  (difference) => {
    if (difference === undefined) return Effect.void
    return Math.abs(difference) > Duration.toMillis(tolerated) ? Effect.fail(difference) : Effect.void
  },
)

const describe = (difference: number): string => {
  const seconds = Duration.seconds(Math.round(Math.abs(difference) / 1000))
  const side = difference > 0 ? "ahead of" : "behind"
  return `the clock of this machine is ${Duration.format(seconds)} ${side} that of PostgreSQL; correct whichever is wrong: sign-ins and stores refuse a machine whose clock is wrong`
}

/** Warns once while the clocks differ by more than a minute, until the scope closes. */
export const watch = (every: Duration.Input = "1 minute"): Effect.Effect<void, never, Database | Scope.Scope> =>
  Background.repeat(
    "the comparison of clocks",
    Outage.reporting("the clock of this machine is that of PostgreSQL again", describe)(compare),
    every,
  )
