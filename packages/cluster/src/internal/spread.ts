/** Spreads over time what the tenants of a runner do at the same interval. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"

/**
 * Makes the first wait a random part of the usual one. Tenants that a runner takes together are searched together once; if it stayed
 * so, their results would come together too, and the runner would be busy for seconds and then idle.
 */
export const spread = <Output, Input, Error, Env>(
  schedule: Schedule.Schedule<Output, Input, Error, Env>,
): Schedule.Schedule<Output, Input, Error, Env> =>
  Schedule.modifyDelay(schedule, ({ attempt, duration }) =>
    attempt === 1 ? Effect.map(Random.next, (part) => Duration.times(duration, part)) : Effect.succeed(duration),
  )
