import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"

/** A policy for some of the errors that there may be: it ends at once on any other. */
export const only = <O, I, I2 extends I, E, R>(
  policy: Schedule.Schedule<O, I2, E, R>,
  isFor: (error: I) => error is I2,
): Schedule.Schedule<O | undefined, I, E, R> =>
  Schedule.fromStep(
    Effect.map(
      Schedule.toStep(policy),
      (step) => (now: number, error: I) => (isFor(error) ? step(now, error) : Cause.done(undefined)),
    ),
  )

/**
 * A policy that begins anew when there was progress, and only then. `Stream.retry` begins its schedule anew with each
 * attempt that gives an element, and an attempt that repeats what another had given before is no progress.
 */
export const anewOnProgress = <O, I, E, R>(
  policy: Schedule.Schedule<O, I, E, R>,
  progressed: () => boolean,
): Schedule.Schedule<O, I, E, R> => {
  let current: Effect.Success<ReturnType<typeof Schedule.toStep<O, I, E, R>>> | undefined
  return Schedule.fromStep(
    Effect.succeed((now: number, input: I) => {
      const anew = progressed()
      if (current !== undefined && !anew) return current(now, input)
      return Effect.flatMap(Schedule.toStep(policy), (step) => {
        current = step
        return step(now, input)
      })
    }),
  )
}

/** One policy or another, by the error: each keeps its own count. */
export const either = <O, I, E, R, O2, E2, R2>(
  policy: Schedule.Schedule<O, I, E, R>,
  special: Schedule.Schedule<O2, I, E2, R2>,
  isSpecial: (input: I) => boolean,
): Schedule.Schedule<O | O2, I, E | E2, R | R2> =>
  Schedule.fromStep(
    Effect.map(
      Effect.all([Schedule.toStep(policy), Schedule.toStep(special)]),
      ([step, specialStep]) =>
        (now: number, input: I): Pull.Pull<[O | O2, Duration.Duration], E | E2, O | O2, R | R2> =>
          isSpecial(input) ? specialStep(now, input) : step(now, input),
    ),
  )
