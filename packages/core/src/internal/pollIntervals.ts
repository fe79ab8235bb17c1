/** How often machine actions that have not finished are polled, and for how long. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { MachineAction } from "../MachineAction.ts"
import * as OfflineMachine from "./offlineMachine.ts"

/** The rounds in which many actions are polled, each with one call. */
export const rounds = Schedule.spaced("3 seconds")

/** `Timing.offlineFor` describes them. */
export const offlineFor = (duration: Duration.Input) => {
  const patience = OfflineMachine.longestWait(duration)
  return {
    poll: Schedule.spaced("15 seconds").pipe(Schedule.jittered, Schedule.upTo({ duration: patience })),
    watch: Schedule.forever.pipe(
      Schedule.setInputType<MachineAction>(),
      Schedule.modifyDelay(({ elapsed, input }) =>
        Effect.succeed(
          input.status === "Pending" && elapsed >= Duration.toMillis(OfflineMachine.offlineAfter)
            ? Duration.minutes(1)
            : Duration.zero,
        ),
      ),
      Schedule.upTo({ duration: patience }),
    ),
  }
}
