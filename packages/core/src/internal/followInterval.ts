/** How often new machine actions are searched while they are followed, and failed results are downloaded again. */
import type * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"

/** The interval by default. */
export const usual: Duration.Input = "1 minute"

/** `Timing.followEvery` describes them. */
export const every = (duration: Duration.Input) => ({
  follow: Schedule.spaced(duration),
  retryFailed: Schedule.min([Schedule.exponential(duration), Schedule.spaced("1 hour")]).pipe(
    Schedule.upTo({ times: 30 }),
  ),
})
