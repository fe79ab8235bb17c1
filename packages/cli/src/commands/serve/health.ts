/**
 * Whether a runner lives, and whether it can work: what probes are answered.
 */
import type * as Cluster from "@live-response/cluster/Cluster"
import type * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as LiveServer from "../report/liveServer.ts"

export interface Health {
  /** How long ago PostgreSQL accepted a write of this runner. One that only answers, such as a standby, stores no result. */
  sinceWrite: TenantStatus.Service["sinceWrite"]

  /** How long ago PostgreSQL confirmed that this runner has work. The connection of the locks can hang while writes are accepted. */
  sinceLocks: Cluster.Service["sinceLocks"]
}

/** How long PostgreSQL may accept no write, and confirm no lock: three of those that a runner sends anyway. */
const patience = Duration.seconds(15)

const isLate = (since: Option.Option<Duration.Duration>): boolean =>
  Option.exists(since, (since) => Duration.isGreaterThan(since, patience))

const answer = Effect.fnUntraced(function* (runner: string, health: Health) {
  const now = yield* DateTime.now
  const [sinceWrite, sinceLocks] = yield* Effect.all([health.sinceWrite, health.sinceLocks])
  const at = (since: Option.Option<Duration.Duration>) =>
    Option.getOrNull(Option.map(since, (since) => DateTime.formatIso(DateTime.subtractDuration(now, since))))
  const isStarting = Option.isNone(sinceWrite) || Option.isNone(sinceLocks)
  const isWaiting = isLate(sinceWrite) || isLate(sinceLocks)
  const status = isWaiting ? "waiting" : isStarting ? "starting" : "ok"
  return { status, runner, databaseWritten: at(sinceWrite), locksConfirmed: at(sinceLocks) }
})

/**
 * Answers a probe. To live does not depend on PostgreSQL: a runner that is started again while that is away helps nobody.
 */
export const route = (runner: string, health: Health) =>
  Effect.fnUntraced(function* (path: string) {
    const body = yield* answer(runner, health)
    switch (path) {
      case "/health":
        return LiveServer.json(body, true)
      case "/ready":
        return LiveServer.json(body, body.status === "ok")
      case "/metrics":
        return yield* LiveServer.metrics
      default:
        return LiveServer.plain("not found; there are /health, /ready and /metrics", 404)
    }
  })
