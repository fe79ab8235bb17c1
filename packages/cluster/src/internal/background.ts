/** Work in the background, for as long as a program runs. */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"

/** Repeats an effect until the scope closes. A bug is logged, and the next repetition starts: nobody would notice the end. */
export const repeat = <R>(
  name: string,
  effect: Effect.Effect<unknown, never, R>,
  every: Duration.Input,
): Effect.Effect<void, never, R | Scope.Scope> =>
  effect.pipe(
    Effect.catchDefect((defect) => Effect.logError(`${name} failed and is repeated`, Cause.die(defect))),
    Effect.repeat(Schedule.spaced(every)),
    Effect.forkScoped,
    Effect.asVoid,
  )
