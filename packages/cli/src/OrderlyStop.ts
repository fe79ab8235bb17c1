/**
 * Reads the events of a batch to their end, also after Ctrl-C: results that are being completed then are stored, and the
 * summary and `--json` have to have them.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"

/** How long a batch may take to stop: flushing its files, and a reader of standard output that is slow. */
const patience = "30 seconds"

/** Reads the events of a batch that stops in order when `stop` returns. An interruption stops it, and waits for its end. */
export const runForEach = <A, E, R, E2, R2>(
  events: (stop: Effect.Effect<void>) => Stream.Stream<A, E, R>,
  report: (event: A) => Effect.Effect<unknown, E2, R2>,
): Effect.Effect<void, E | E2, R | R2> =>
  Effect.uninterruptibleMask((interruptibly) =>
    Effect.gen(function* () {
      const stop = yield* Deferred.make<void>()
      const reader = yield* Effect.forkChild(
        Effect.interruptible(Stream.runForEach(events(Deferred.await(stop)), report)),
      )
      const stopped = Effect.andThen(
        Deferred.succeed(stop, undefined),
        Effect.timeoutOption(Effect.interruptible(Fiber.await(reader)), patience),
      )
      return yield* interruptibly(Fiber.join(reader)).pipe(
        Effect.onInterrupt(() => Effect.andThen(stopped, Fiber.interrupt(reader))),
      )
    }),
  )
