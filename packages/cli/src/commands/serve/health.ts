/**
 * Whether a runner lives, and whether it can work: what probes are answered.
 */
import type * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as LiveServer from "../report/liveServer.ts"

export interface Health {
  /** How long ago PostgreSQL accepted a write of this runner. One that only answers, such as a standby, stores no result. */
  sinceWrite: TenantStatus.Service["sinceWrite"]
}

/** How long PostgreSQL may accept no write: three of those that a runner sends anyway. */
const patience = Duration.seconds(15)

const answer = Effect.fnUntraced(function* (runner: string, { sinceWrite }: Health) {
  const since = Option.getOrUndefined(yield* sinceWrite)
  if (since === undefined) return { status: "starting", runner, databaseWritten: null }
  const status = Duration.isGreaterThan(since, patience) ? "waiting" : "ok"
  const at = DateTime.subtractDuration(yield* DateTime.now, since)
  return { status, runner, databaseWritten: DateTime.formatIso(at) }
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
