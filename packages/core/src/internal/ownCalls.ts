/**
 * Counts the calls of this program by its monotonic clock, beside the log that it shares with others. A shared log goes by the clock
 * of a machine. Where that is set forward, the log believes that its calls have left their windows, and the server knows better.
 *
 * What other programs called before the clock was set is not known here.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as QuotaRule from "../QuotaRule.ts"
import { type CallLog, memoryLog, type Permit } from "../QuotaStore.ts"
import { QuotaFull } from "../QuotaStoreError.ts"
import { monotonicMillis } from "./monotonic.ts"

/** An update of a shared log is repeated until it succeeds; that of the own log must not be. */
const once = <E>(update: Effect.Effect<void, E>): Effect.Effect<void, E> => {
  let isDone = false
  return Effect.suspend(() => {
    if (isDone) return Effect.void
    isDone = true
    return update
  })
}

const both = (own: Permit, shared: Permit): Permit => ({
  answered: Effect.andThen(once(own.answered), shared.answered),
  release: Effect.andThen(once(own.release), shared.release),
})

/** The shared log, which grants no permit that the calls of this program alone forbid. */
export const beside = (shared: CallLog, windows: ReadonlyArray<QuotaRule.Window>): CallLog => {
  const own = memoryLog(windows)
  /** The end of the wait that the server asked for. Its inferred calls are in the shared log, with those of other programs. */
  let blockedUntil = 0
  const unlessBlocked = Effect.flatMap(monotonicMillis, (now) =>
    now < blockedUntil
      ? Effect.fail(new QuotaFull({ retryAfter: Duration.millis(Math.ceil(blockedUntil - now)) }))
      : Effect.void,
  )
  return {
    ...shared,
    acquire: Effect.uninterruptibleMask((restore) =>
      Effect.andThen(unlessBlocked, own.acquire).pipe(
        Effect.flatMap((permit) =>
          restore(shared.acquire).pipe(
            Effect.onError(() => Effect.ignore(permit.release)),
            Effect.map((sharedPermit) => both(permit, sharedPermit)),
          ),
        ),
      ),
    ),
    throttled: (wait) =>
      Effect.flatMap(monotonicMillis, (now) => {
        blockedUntil = Math.max(blockedUntil, now + QuotaRule.throttleWait(wait))
        return shared.throttled(wait)
      }),
  }
}
