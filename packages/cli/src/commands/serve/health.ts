/**
 * Whether a runner lives, and whether it can work: what probes are answered.
 */
import { Database } from "@live-response/cluster/Database"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as LiveServer from "../report/liveServer.ts"

export interface Health {
  /** In milliseconds since 1970: when PostgreSQL last answered. `undefined` before it did. */
  answeredAt: number | undefined
}

const interval = "3 seconds"

/** How long PostgreSQL may be silent, in milliseconds: five looks. */
const patience = 15_000

/** Looks whether PostgreSQL answers, again and again, until the scope closes. */
export const watch = Effect.fnUntraced(function* (health: Health) {
  const { query } = yield* Database
  yield* query((sql) => sql`select 1 as answer`).pipe(
    Effect.andThen(Clock.currentTimeMillis),
    Effect.map((now) => {
      health.answeredAt = now
    }),
    // Who waits for it reports that it is away.
    Effect.ignore,
    Effect.repeat(Schedule.spaced(interval)),
    Effect.forkScoped,
  )
})

const answer = (runner: string, { answeredAt }: Health, now: number) => ({
  status: answeredAt === undefined ? "starting" : now - answeredAt > patience ? "waiting" : "ok",
  runner,
  databaseAnswered: answeredAt === undefined ? null : DateTime.formatIso(DateTime.makeUnsafe(answeredAt)),
})

/**
 * Answers a probe. To live does not depend on PostgreSQL: a runner that is started again while that is away helps nobody.
 */
export const route = (runner: string, health: Health) =>
  Effect.fnUntraced(function* (path: string) {
    const now = yield* Clock.currentTimeMillis
    const body = answer(runner, health, now)
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
