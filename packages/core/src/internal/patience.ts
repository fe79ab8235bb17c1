import * as Context from "effect/Context"
import * as Duration from "effect/Duration"

/** How long the calls of this fiber wait for a host that can't be reached. Without it `Timing.giveUpAfter` applies. */
export const Patience = Context.Reference<Duration.Duration | undefined>("@live-response/core/internal/Patience", {
  defaultValue: () => undefined,
})

/** How long a batch waits by default. */
export const ofBatch = Duration.hours(1)
