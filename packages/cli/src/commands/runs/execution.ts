/**
 * Says when no runner executes a run that is watched, and when one does: otherwise a cluster without runners looks like one that works.
 */
import type { Execution, RunId } from "@live-response/cluster/ClusterRun"
import { Runs } from "@live-response/cluster/Runs"
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Format from "../../output/Format.ts"
import { printable } from "../../output/Printable.ts"
import * as StandardError from "../../output/StandardError.ts"

/** How often it is looked up, and how long a run is without a runner before that is said: another one takes it within seconds. */
const [lookEvery, patience] = [Duration.seconds(2), Duration.seconds(5)]

/** When a runner last worked on a tenant. It may have been there for longer. */
const seenAt = (lastSeen: DateTime.Utc | undefined): string =>
  lastSeen === undefined ? "" : ` (last seen: ${Format.dateAndTime(lastSeen)})`

/** Why the run waits, and the next step. */
const waiting = ({ lastSeen, runners }: Execution): string =>
  runners.length === 0
    ? `waiting: no runner is connected to the database${seenAt(lastSeen)}; start one with live-response serve`
    : `waiting: no runner has taken the run (connected: ${printable(runners.join(", "))}); live-response tenants status shows the problem of a tenant`

const taken = (runner: string): string => `runner ${printable(runner)} executes the run`

/** Looks at who executes the run until it is interrupted, and reports each change once. */
export const report = Effect.fnUntraced(function* (run: RunId) {
  const { execution } = yield* Runs
  /** When it was first seen that no runner executes the run. While the database is away, nothing is seen. */
  let missingSince: number | undefined
  let isReported = false
  const look = Effect.gen(function* () {
    const found = yield* execution(run)
    if (found.runner !== undefined) {
      missingSince = undefined
      if (isReported) yield* StandardError.write(taken(found.runner))
      isReported = false
      return
    }
    const now = yield* Clock.currentTimeMillis
    missingSince ??= now
    if (isReported || now - missingSince < Duration.toMillis(patience)) return
    yield* StandardError.write(waiting(found))
    isReported = true
  })
  yield* Effect.repeat(look, Schedule.spaced(lookEvery))
})
