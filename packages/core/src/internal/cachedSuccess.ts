import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as SynchronizedRef from "effect/SynchronizedRef"

/** Runs an effect when it is first needed, one run at a time, and keeps its success alone: after a failure it runs again. */
export const cachedSuccess = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Effect.Effect<A, E, R>> =>
  Effect.map(SynchronizedRef.make(Option.none<A>()), (known) =>
    SynchronizedRef.modifyEffect(
      known,
      Option.match({
        onSome: (value) => Effect.succeed([value, Option.some(value)] as const),
        onNone: () => Effect.map(effect, (value) => [value, Option.some(value)] as const),
      }),
    ),
  )
