/** How soon the API shows a new machine action, and the results of one that has just finished. */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"

/** How long a new machine action may be unknown to the API. */
export const usual = Duration.minutes(2)

/** `Timing.visibleWithin` describes them. */
export const within = (duration: Duration.Input) => {
  const whole = Duration.fromInputUnsafe(duration)
  const step = Duration.min(Duration.seconds(5), Duration.times(whole, 0.25))
  return { creation: Schedule.spaced(step).pipe(Schedule.upTo({ duration: whole })), settling: step }
}
