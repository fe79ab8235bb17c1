import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"

/** A schedule for some of the errors. It stops at once on any other. */
export const only = <O, I, I2 extends I, E, R>(
  schedule: Schedule.Schedule<O, I2, E, R>,
  isFor: (error: I) => error is I2,
): Schedule.Schedule<O | undefined, I, E, R> =>
  Schedule.fromStep(
    Effect.map(
      Schedule.toStep(schedule),
      (step) => (now: number, error: I) => (isFor(error) ? step(now, error) : Cause.done(undefined)),
    ),
  )

/**
 * A schedule that restarts when there was progress, and only then. `Stream.retry` restarts its schedule with each attempt
 * that emits an element, although an attempt may only repeat what an earlier one emitted.
 */
export const restartOnProgress = <O, I, E, R>(
  schedule: Schedule.Schedule<O, I, E, R>,
  progressed: () => boolean,
): Schedule.Schedule<O, I, E, R> => {
  let current: Effect.Success<ReturnType<typeof Schedule.toStep<O, I, E, R>>> | undefined
  return Schedule.fromStep(
    Effect.succeed((now: number, input: I) => {
      const restarts = progressed()
      if (current !== undefined && !restarts) return current(now, input)
      return Effect.flatMap(Schedule.toStep(schedule), (step) => {
        current = step
        return step(now, input)
      })
    }),
  )
}

/** One schedule or another, by the error. Each has its own count. */
export const either = <O, I, E, R, O2, E2, R2>(
  schedule: Schedule.Schedule<O, I, E, R>,
  special: Schedule.Schedule<O2, I, E2, R2>,
  isSpecial: (input: I) => boolean,
): Schedule.Schedule<O | O2, I, E | E2, R | R2> =>
  Schedule.fromStep(
    Effect.map(
      Effect.all([Schedule.toStep(schedule), Schedule.toStep(special)]),
      ([step, specialStep]) =>
        (now: number, input: I): Pull.Pull<[O | O2, Duration.Duration], E | E2, O | O2, R | R2> =>
          isSpecial(input) ? specialStep(now, input) : step(now, input),
    ),
  )

/**
 * Runs an effect, and once more what `retried` makes of it where it fails: to start a schedule costs more than many a call that
 * succeeds. The first failure counts as the first attempt of `retried`.
 */
export const onceItFails = <A, E, R, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  retried: (effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E2, R2>,
): Effect.Effect<A, E2, R | R2> =>
  Effect.matchEffect(effect, {
    onSuccess: Effect.succeed,
    onFailure: (error) => {
      let isFirst = true
      return retried(
        Effect.suspend(() => {
          if (!isFirst) return effect
          isFirst = false
          return Effect.fail(error)
        }),
      )
    },
  })
