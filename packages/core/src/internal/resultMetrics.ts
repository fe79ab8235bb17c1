/** The metrics of results. `LiveResponse.metrics` documents them. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import type { ResultEvent } from "../ResultEvent.ts"
import { durationHistogram } from "./durationHistogram.ts"

export const metrics = {
  results: Metric.counter("live_response.results", {
    incremental: true,
    description: "Results that have finished, by outcome",
  }),
  bytes: Metric.counter("live_response.bytes", {
    incremental: true,
    description: "Bytes of results that were received",
    attributes: { unit: "By" },
  }),
  links: Metric.counter("live_response.links", { incremental: true, description: "Download links that the API gave" }),
  retries: Metric.counter("live_response.retries", {
    incremental: true,
    description: "Link calls and downloads that were retried, by cause",
  }),
  duration: durationHistogram(
    "live_response.result.duration",
    "How long results took from the first call to the stored file",
    [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600],
  ),
}

const count = (metric: Metric.Counter<number>, attributes: Metric.Metric.Attributes) =>
  Metric.update(Metric.withAttributes(metric, attributes), 1)

export const countBytes = (bytes: number): Effect.Effect<void> => Metric.update(metrics.bytes, bytes)

/** Counts an event of a result. */
export const countEvent = (event: ResultEvent): Effect.Effect<void> => {
  switch (event.event) {
    case "linked":
      return Metric.update(metrics.links, 1)
    case "retrying":
      return count(metrics.retries, { cause: "reason" in event.error ? event.error.reason._tag : event.error._tag })
    case "completed":
    case "failed":
    case "skipped":
      return countOutcome(event.event)
    default:
      return Effect.void
  }
}

const outcomes = {
  completed: Metric.withAttributes(metrics.results, { outcome: "completed" }),
  failed: Metric.withAttributes(metrics.results, { outcome: "failed" }),
  skipped: Metric.withAttributes(metrics.results, { outcome: "skipped" }),
}

const countOutcome = (outcome: keyof typeof outcomes): Effect.Effect<void> => Metric.update(outcomes[outcome], 1)

/** Counts a result that is downloaded alone, and so has no event of its outcome. An interruption is not an outcome. */
export const countedAlone = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onExit(effect, (exit) => {
    if (Exit.isSuccess(exit)) return countOutcome("completed")
    return Exit.hasInterrupts(exit) ? Effect.void : countOutcome("failed")
  })

/** Measures an effect that downloads a result, unless it is interrupted. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Clock.monotonicTimeNanos, (startedAt) =>
    Effect.onExit(effect, (exit) =>
      Exit.hasInterrupts(exit)
        ? Effect.void
        : Effect.flatMap(Clock.monotonicTimeNanos, (now) =>
            Metric.update(metrics.duration, Duration.nanos(now - startedAt)),
          ),
    ),
  )
