/** What is tried again and again is reported when it starts to fail, and when it works again, and not each time. */
import * as Effect from "effect/Effect"

export interface Outage {
  /** Logs the first failure as a warning. */
  readonly failed: (message: string) => Effect.Effect<void>

  /** Logs that it works again, if it has failed. */
  readonly works: Effect.Effect<void>
}

export interface Options {
  readonly onStart: (message: string) => Effect.Effect<void>
  readonly onEnd: Effect.Effect<void>
}

/** Reports the first failure, and that it works again, as the options say. */
export const makeWith = ({ onEnd, onStart }: Options): Outage => {
  let isFailing = false
  return {
    failed: (message) =>
      Effect.suspend(() => {
        if (isFailing) return Effect.void
        isFailing = true
        return onStart(message)
      }),
    works: Effect.suspend(() => {
      if (!isFailing) return Effect.void
      isFailing = false
      return onEnd
    }),
  }
}

/** `again` is the line that says that it works again. */
export const make = (again: string): Outage =>
  makeWith({ onStart: (message) => Effect.logWarning(message), onEnd: Effect.logInfo(again) })

/**
 * Runs an effect that is tried again and again, and reports its failures. `describe` is the line for one, or undefined where something
 * else reports it.
 */
export const reporting = <E>(
  again: string,
  describe: (error: E) => string | undefined,
): (<A, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<void, never, R>) => {
  const { failed, works } = make(again)
  return Effect.matchEffect({
    onFailure: (error) => {
      const message = describe(error)
      return message === undefined ? Effect.void : failed(message)
    },
    onSuccess: () => works,
  })
}
