/** The metrics of quotas. `Quota.metrics` documents them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as QuotaRule from "../QuotaRule.ts"
import * as ApiMetrics from "./apiMetrics.ts"
import { durationHistogram } from "./durationHistogram.ts"

export const metrics = {
  permits: Metric.counter("live_response.quota.permits", { incremental: true, description: "Calls that got a permit" }),
  throttled: ApiMetrics.throttled,
  waitDuration: durationHistogram("live_response.quota.wait.duration", "How long calls waited for a permit"),
  waiting: Metric.gauge("live_response.quota.waiting", { description: "Calls that wait for a permit" }),
  used: Metric.gauge("live_response.quota.used", { description: "Calls that a window counts" }),
}

/**
 * The metrics of one quota, whose full `name` has its owner. The histogram is one for all owners: of a program with hundreds of them, it
 * would be nine tenths of all series.
 */
export const make = (api: string, name: string, windows: ReadonlyArray<QuotaRule.Window>) => {
  const quota = { quota: name }
  const permits = Metric.withAttributes(metrics.permits, quota)
  const waitDuration = Metric.withAttributes(metrics.waitDuration, { api })
  const waiting = Metric.withAttributes(metrics.waiting, quota)
  const throttled = Metric.withAttributes(metrics.throttled, quota)
  const used = windows.map(({ duration }) =>
    Metric.withAttributes(metrics.used, { ...quota, window: Duration.format(duration) }),
  )
  return {
    permit: (waited: Duration.Duration) =>
      Effect.andThen(Metric.update(waitDuration, waited), Metric.update(permits, 1)),
    throttled: Metric.update(throttled, 1),
    /** Prometheus sees no increase in a series that appears with 1: it exists before the first call is throttled. */
    start: Metric.update(throttled, 0),
    waiting: (calls: number) => Metric.update(waiting, calls),
    used: (status: QuotaRule.Status) =>
      Effect.forEach(used, (gauge, i) => Metric.update(gauge, status.windows[i]?.used ?? 0), { discard: true }),
    /** Ends the series that are of this quota alone. */
    remove: Effect.forEach([permits, waiting, throttled, ...used], (metric) => Metric.remove<number, unknown>(metric), {
      discard: true,
    }),
  }
}
