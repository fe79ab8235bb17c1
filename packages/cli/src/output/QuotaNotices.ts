/**
 * Messages while a command waits for the quota, so that it does not seem to hang.
 */
import { Quota } from "@live-response/core/Quota"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Messages from "./Messages.ts"
import * as QuotaText from "./QuotaText.ts"

/** Reports each wait for the quota until the scope closes: another program may have used it up. */
export const report = Effect.gen(function* () {
  const { pauses } = yield* Quota
  yield* pauses.pipe(
    Stream.filter(Duration.isGreaterThanOrEqualTo(Duration.seconds(1))),
    Stream.runForEach((pause) => Effect.flatMap(DateTime.now, (now) => Messages.write(QuotaText.waiting(now, pause)))),
    Effect.forkScoped({ startImmediately: true }),
  )
})
