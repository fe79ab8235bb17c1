/** When something happened last, whatever the clock of the machine did since. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

export interface LastTime {
  /** It happens now. */
  readonly mark: Effect.Effect<void>

  /** How long ago it happened. None if it has not. */
  readonly since: Effect.Effect<Option.Option<Duration.Duration>>
}

export const make = (): LastTime => {
  let last: bigint | undefined
  return {
    mark: Effect.map(Clock.monotonicTimeNanos, (now) => {
      last = now
    }),
    since: Effect.map(Clock.monotonicTimeNanos, (now) =>
      Option.map(Option.fromUndefinedOr(last), (at) => Duration.nanos(now - at)),
    ),
  }
}
