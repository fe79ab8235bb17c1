/**
 * How a service stops: in order, and within a bound.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as StandardError from "../../output/StandardError.ts"

/** What is left of five seconds for the process itself. */
const bound = Duration.millis(4500)

/** Interrupts the work, and waits for its end. What it has not finished then, a later runner does. */
const end = (work: Fiber.Fiber<unknown, unknown>) =>
  Effect.suspend(() => {
    work.interruptUnsafe()
    return Effect.timeoutOption(Effect.interruptible(Fiber.await(work)), bound)
  })

const stop = Effect.fnUntraced(function* (work: Fiber.Fiber<unknown, unknown>) {
  yield* StandardError.write("stopping")
  const ended = yield* end(work)
  yield* StandardError.write(
    Option.isSome(ended) ? "stopped" : "stopped before everything in progress was finished; other runners continue it",
  )
})

/** Runs the work of a service in a scope until it is stopped or fails. To close that scope takes no longer than the bound. */
export const untilStopped = Effect.fnUntraced(function* <E, R>(work: Effect.Effect<never, E, R>) {
  const failed = yield* Deferred.make<never, E>()
  const fiber = yield* work.pipe(
    Effect.onExit((exit) => Deferred.done(failed, exit)),
    Effect.scoped,
    Effect.forkDetach,
  )
  return yield* Deferred.await(failed).pipe(
    Effect.onInterrupt(() => stop(fiber)),
    Effect.onError((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : end(fiber))),
  )
})
