/**
 * Messages while a command waits for the quota, so that it does not seem to hang.
 */
import { type Pause, Quota } from "@live-response/core/Quota"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Format from "./Format.ts"
import * as StandardError from "./StandardError.ts"
import * as QuotaText from "./QuotaText.ts"

/** waiting for the quota until 14:05:09 UTC+1 (in 42 s) */
export const waiting = (now: DateTime.Utc, { api, duration }: Pause): string =>
  `waiting for ${QuotaText.nameOf(api)} until ${Format.instantAfter(now, duration)}`

/** Reports each wait for the quota until the scope closes: another program may have used it up. */
export const report = Effect.gen(function* () {
  const { pauses } = yield* Quota
  yield* pauses.pipe(
    Stream.filter(({ duration }) => Duration.isGreaterThanOrEqualTo(duration, Duration.seconds(1))),
    Stream.runForEach((pause) => Effect.flatMap(DateTime.now, (now) => StandardError.write(waiting(now, pause)))),
    Effect.forkScoped({ startImmediately: true }),
  )
})

/** Reports each wait for the quota while an effect runs. */
export const during = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.scoped(Effect.andThen(report, effect))
