import type { ResultEvent } from "@live-response/core/ResultEvent"
import { Reporter } from "@live-response/core/Reporter"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/** Runs an effect and returns its exit and the events that it reported. `also` is called with each event. */
export const withEvents = Effect.fnUntraced(function* <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  also: (event: ResultEvent) => Effect.Effect<void> = () => Effect.void,
): Effect.fn.Return<{ readonly exit: Exit.Exit<A, E>; readonly events: ReadonlyArray<ResultEvent> }, never, R> {
  const events: Array<ResultEvent> = []
  const exit = yield* effect.pipe(
    Effect.provideService(Reporter, (event) =>
      event.event === "offline"
        ? Effect.void
        : Effect.andThen(
            Effect.sync(() => events.push(event)),
            also(event),
          ),
    ),
    Effect.exit,
  )
  return { exit, events }
})

/** The typed failure of an exit. A success is a defect, which fails the test. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>): Effect.Effect<E> => Effect.orDie(Effect.flip(exit))
