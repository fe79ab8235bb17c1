/** The metric of API calls. `DefenderApi.metrics` documents it. Throttled calls (429) are counted in `quotaMetrics.ts`. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { monotonicMillis } from "./monotonic.ts"

export const metrics = {
  duration: Metric.histogram("live_response.api.duration", {
    description: "How long an API call took, from its request to the end of the answer",
    boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    attributes: { unit: "s" },
  }),
}

/** Records how long an attempt took until now. It has no `status` if there was no answer. */
export const recordDuration = (
  { name }: { readonly name: string },
  sentAt: number,
  status: number | undefined,
): Effect.Effect<void> =>
  Effect.flatMap(monotonicMillis, (now) =>
    Metric.update(
      Metric.withAttributes(metrics.duration, { operation: name, status: status === undefined ? "none" : `${status}` }),
      (now - sentAt) / 1000,
    ),
  )
