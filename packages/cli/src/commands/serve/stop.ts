/**
 * How a service stops: in order, within a bound, and with exit code 0, because to be stopped is how it ends.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { exitCode } from "../../ExitCode.ts"
import * as Interrupt from "../../Interrupt.ts"
import * as Messages from "../../output/Messages.ts"

/** What is left of five seconds for the process itself. */
const bound = Duration.millis(4500)

/** Interrupts the work, and waits for its end. What it has not finished then, a later runner does. */
const stop = Effect.fnUntraced(function* (work: Fiber.Fiber<unknown, unknown>) {
  yield* Messages.write("stopping")
  work.interruptUnsafe()
  const ended = yield* Effect.timeoutOption(Effect.interruptible(Fiber.await(work)), bound)
  yield* Messages.write(
    Option.isSome(ended) ? "stopped" : "stopped before everything in progress had ended; other runners continue it",
  )
})

/** Runs the work of a service until it is stopped or fails. */
export const untilStopped = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  yield* Interrupt.endsWith(exitCode.success)
  const fiber = yield* Effect.forkDetach(work)
  return yield* Effect.onInterrupt(Fiber.join(fiber), () => stop(fiber))
})
