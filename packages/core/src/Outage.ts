/**
 * Reports an outage of something that is retried: once when it starts to fail, and once when it works again.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/**
 * Whether something that is retried works. All who try it share one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Outage<E> {
  /** Whether it failed since it last worked. */
  readonly isFailing: () => boolean

  /** It failed. Only the first failure since it last worked is reported. */
  readonly failed: (error: E) => Effect.Effect<void>

  /** It works, which is reported if it had failed. */
  readonly works: Effect.Effect<void>
}

/**
 * What is done when an outage starts, with its first failure, and when it ends. Neither is interrupted.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options<E> {
  readonly onStart: (error: E) => Effect.Effect<void>
  readonly onEnd: Effect.Effect<void>
}

/**
 * An outage that is reported as `options` say.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <E>({ onEnd, onStart }: Options<E>): Outage<E> => {
  let isFailing = false
  const end = Effect.suspend(() => {
    if (!isFailing) return Effect.void
    isFailing = false
    return onEnd
  }).pipe(Effect.uninterruptible)
  return {
    isFailing: () => isFailing,
    // An interruption after the change would leave it unreported.
    failed: (error) =>
      Effect.suspend(() => {
        if (isFailing) return Effect.void
        isFailing = true
        return onStart(error)
      }).pipe(Effect.uninterruptible),
    works: Effect.suspend(() => (isFailing ? end : Effect.void)),
  }
}

/**
 * An outage that is logged: its first failure as a warning, and `again`, the line that says that it works again, as information.
 *
 * **Example** (A server that is down for a while)
 *
 * @example
 * ```ts
 * import * as Outage from "@live-response/core/Outage"
 * import * as Effect from "effect/Effect"
 * import * as Logger from "effect/Logger"
 *
 * const { failed, works } = Outage.makeLogged("the server answers again")
 * const attempts = Effect.all([failed("it is down"), failed("it is down"), works, works])
 *
 * const lines: Array<string> = []
 * const logger = Logger.make(({ message }) => lines.push(String(message)))
 * Effect.runSync(Effect.provide(attempts, Logger.layer([logger])))
 * console.log(lines.join(", ")) // it is down, the server answers again
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeLogged = (again: string): Outage<string> =>
  make({ onStart: (message) => Effect.logWarning(message), onEnd: Effect.logInfo(again) })

/**
 * Runs an effect that is tried again and again, and logs its outages. `describe` is the line for a failure, or undefined where something
 * else reports it.
 *
 * **Gotchas**
 *
 * The result neither fails nor has the value of the effect. Keep the function that this returns for all attempts: another one has an
 * outage of its own, and reports each first failure again.
 *
 * @since 0.1.0
 * @category combinators
 */
export const reporting = <E>(
  again: string,
  describe: (error: E) => string | undefined,
): (<A, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<void, never, R>) => {
  const { failed, works } = makeLogged(again)
  return Effect.matchEffect({
    onFailure: (error) => {
      const message = describe(error)
      return message === undefined ? Effect.void : failed(message)
    },
    onSuccess: () => works,
  })
}
