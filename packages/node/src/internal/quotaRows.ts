/** Whether the rows of the quota's log are such as this program writes: numbers that make no sense would stop every run. */
import type { DatabaseSync } from "node:sqlite"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** No call is in flight for longer, so that no lease is. */
const longestLease = Duration.toMillis(Duration.hours(1))

/** No program has more calls in flight. */
const mostInFlight = 10_000

/** The last instant of the year 9999. A clock may be wrong by years. */
const lastInstant = 253_402_300_799_999

const longestBlock = QuotaRule.throttleWait(Duration.infinity)

export const leaseOf = (lease: Duration.Duration): number => Math.min(Duration.toMillis(lease), longestLease)

const decodeCalls = Schema.decodeUnknownSync(Schema.Struct({ absurd: Schema.Int, inFlight: Schema.Int }))
const decodeBlocks = Schema.decodeUnknownSync(Schema.Struct({ absurd: Schema.Int }))

/** One pass over the calls: there may be a day of them. */
const callsSql = `
  SELECT
    count(*) FILTER (WHERE id NOT BETWEEN 1 AND ${Number.MAX_SAFE_INTEGER} OR at NOT BETWEEN 0 AND ${lastInstant} OR lease NOT BETWEEN 0 AND ${longestLease}) AS absurd,
    count(holder) AS inFlight
  FROM calls`

const blocksSql = `
  SELECT count(*) AS absurd FROM blocks WHERE at NOT BETWEEN 0 AND ${lastInstant} OR wait NOT BETWEEN 0 AND ${longestBlock}`

/** What is wrong with the rows, where something is. */
export const problemOf = (database: DatabaseSync): string | undefined => {
  const calls = decodeCalls(database.prepare(callsSql).get())
  const absurd = calls.absurd + decodeBlocks(database.prepare(blocksSql).get()).absurd
  if (absurd > 0) return `it has times or numbers that make no sense, in ${absurd} rows`
  return calls.inFlight > mostInFlight ? `it has ${calls.inFlight} calls in flight` : undefined
}
