/** The metrics of API calls. `DefenderApi.metrics` documents the duration, `Quota.metrics` what is throttled. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { durationHistogram } from "./durationHistogram.ts"
import { monotonicMillis } from "./monotonic.ts"

export const metrics = {
  duration: durationHistogram(
    "live_response.api.duration",
    "How long an API call took, from its request to the end of the answer",
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  ),
}

/** Calls that were answered with 429. The quota that they belong to counts them. */
export const throttled = Metric.counter("live_response.quota.throttled", {
  incremental: true,
  description: "Calls that the server throttled (HTTP 429)",
})

/** A metric with attributes is created once: to find one by its attributes costs more than to update it. */
const durations = new Map<string, typeof metrics.duration>()

const durationOf = (operation: string, status: string) => {
  const key = `${operation} ${status}`
  const known = durations.get(key)
  if (known !== undefined) return known
  const made = Metric.withAttributes(metrics.duration, { operation, status })
  durations.set(key, made)
  return made
}

/** Records how long an attempt took until now. It has no `status` if there was no answer. */
export const recordDuration = (
  { name }: { readonly name: string },
  sentAt: number,
  status: number | undefined,
): Effect.Effect<void> =>
  Effect.flatMap(monotonicMillis, (now) =>
    Metric.update(durationOf(name, status === undefined ? "none" : `${status}`), Duration.millis(now - sentAt)),
  )
