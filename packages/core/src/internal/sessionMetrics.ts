/** The metrics of sessions. `Fleet.metrics` documents them. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { FleetEvent } from "../FleetEvent.ts"
import { durationHistogram } from "./durationHistogram.ts"

export const metrics = {
  sessions: Metric.counter("live_response.sessions", { incremental: true, description: "Sessions by their outcome" }),
  sessionDuration: durationHistogram("live_response.session.duration", "How long sessions took until they finished"),
}

/** The outcome of a session that an event reports; none where the session is in progress or finished in an earlier run. */
const outcomeOf = (event: FleetEvent): string | undefined => {
  switch (event.event) {
    case "ended":
      if (event.earlier) return undefined
      return event.action.status === "Succeeded" ? "succeeded" : "failed"
    case "unfinished":
      return "unfinished"
    case "notStarted":
      return "not_started"
    case "started":
    case "cancelled":
    case "offline":
    case "online":
    case "sessions":
      return undefined
  }
}

/** Counts the session that an event reports the outcome of. */
export const count = (event: FleetEvent): Effect.Effect<void> => {
  const outcome = outcomeOf(event)
  return outcome === undefined ? Effect.void : Metric.update(Metric.withAttributes(metrics.sessions, { outcome }), 1)
}

export const finished = (duration: Duration.Duration): Effect.Effect<void> =>
  Metric.update(metrics.sessionDuration, duration)
