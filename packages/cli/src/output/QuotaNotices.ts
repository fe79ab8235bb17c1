/**
 * Messages while a command waits for the quota, so that it does not seem to hang.
 */
import { Quota } from "@live-response/core/Quota"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Format from "./Format.ts"
import * as Messages from "./Messages.ts"

/** waiting for the quota until 14:05:09 UTC+1 (in 42 s) */
export const waiting = (now: DateTime.Utc, pause: Duration.Duration): string =>
  `waiting for the quota until ${Format.instantAfter(now, pause)}`

/** Reports each wait for the quota until the scope closes: another program may have used it up. */
export const report = Effect.gen(function* () {
  const { pauses } = yield* Quota
  yield* pauses.pipe(
    Stream.filter(Duration.isGreaterThanOrEqualTo(Duration.seconds(1))),
    Stream.runForEach((pause) => Effect.flatMap(DateTime.now, (now) => Messages.write(waiting(now, pause)))),
    Effect.forkScoped({ startImmediately: true }),
  )
})
