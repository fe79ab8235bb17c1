/** How work that fails is started again, and what is said of it. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { Together } from "./together.ts"

/** Whether an effect was started again after a failure that is known. What it says each time it starts was said before. */
export const IsRepeated = Context.Reference<boolean>("@live-response/cluster/internal/restarts/IsRepeated", {
  defaultValue: () => false,
})

const mayRestart = (cause: Cause.Cause<unknown>) => !Cause.hasInterruptsOnly(cause)

const longest = "1 minute"

/** An error of Entra or of the API names the request that it is about. */
const idOfRequest = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi

const reasonOf = (cause: Cause.Cause<unknown>): string => String(Cause.squash(cause)).replaceAll(idOfRequest, "")

const waits = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced(longest)]).pipe(Schedule.jittered)

/**
 * Runs an effect until it succeeds or is interrupted. It is started again after a second, doubled up to a minute.
 *
 * A failure is logged where it is another one than the last: a password that has expired fails the work on all tenants, once a minute
 * each. Of those that fail for one reason together, the first is logged, and the others are named by their labels. An effect that has
 * run for a minute has recovered: its next failure is a new one.
 */
export const untilItEnds = <E, R>(
  name: string,
  effect: Effect.Effect<void, E, R>,
  label: string = name,
): Effect.Effect<void, never, R> =>
  Effect.suspend(() => {
    let known: string | undefined
    let hasRecovered = false
    const recover = Effect.suspend(() => {
      hasRecovered = true
      const wasFailing = known !== undefined
      known = undefined
      return wasFailing ? Effect.logInfo(`${name} has not failed for a minute`) : Effect.void
    })
    const report = (cause: Cause.Cause<E>) =>
      Effect.gen(function* () {
        if (Cause.hasInterruptsOnly(cause)) return
        const why = reasonOf(cause)
        if (why === known) return yield* Effect.logDebug(`${name} failed again`, cause)
        known = why
        const { say } = yield* Together
        const one = Effect.logError(`${name} failed and is started again`, cause)
        yield* say(why, label, one, (who) =>
          Effect.logError(`${who} failed for the same reason and will be restarted`, cause),
        )
      })
    const attempt = Effect.suspend(() => {
      hasRecovered = false
      return Effect.raceFirst(
        Effect.provideService(effect, IsRepeated, known !== undefined),
        Effect.andThen(Effect.delay(recover, longest), Effect.never),
      )
    }).pipe(Effect.sandbox, Effect.tapError(report))
    return attempt.pipe(
      Effect.retry({ schedule: waits, while: (cause) => mayRestart(cause) && !hasRecovered }),
      // What failed after it had recovered waits as after its first failure.
      Effect.retry({ schedule: Schedule.spaced("1 second"), while: mayRestart }),
      Effect.ignore,
    )
  })
