import * as Duration from "effect/Duration"
import * as Metric from "effect/Metric"

/** From a millisecond to twelve days, in seconds: each bucket is twice as wide as the one before. */
const widelySpread = Metric.exponentialBoundaries({ start: 0.001, factor: 2, count: 31 })

/** A histogram of durations in seconds. Exporters take the unit from the attribute `unit`. */
export const durationHistogram = (
  name: string,
  description: string,
  boundaries: ReadonlyArray<number> = widelySpread,
): Metric.Histogram<Duration.Duration> =>
  Metric.mapInput(Metric.histogram(name, { description, attributes: { unit: "s" }, boundaries }), Duration.toSeconds)
