/** How a runner gets the locks of another one that stops. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/** A runner that stops frees its locks within some 0.6 seconds. */
const soon = Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(9)])

/**
 * Acquires locks again until all `wanted` are acquired, for a second at most: their former runner may be about to release them.
 * `acquire` succeeds with all that this runner has of them. One that is leaving itself does not wait.
 */
export const acquireSoon = <A, E, R>(
  acquire: Effect.Effect<Array<A>, E, R>,
  wanted: number,
  isLeaving: () => boolean,
): Effect.Effect<Array<A>, E, R> =>
  Effect.repeat(acquire, { schedule: soon, until: ({ length }) => length >= wanted || isLeaving() })
