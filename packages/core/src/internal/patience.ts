import * as Context from "effect/Context"
import * as Duration from "effect/Duration"

/** How long the calls of this fiber wait for a host out of reach. Without one it is what `Timing` says. */
export const Patience = Context.Reference<Duration.Duration | undefined>("@live-response/core/internal/Patience", {
  defaultValue: () => undefined,
})

/** How long a batch waits by itself. */
export const ofBatch = Duration.hours(1)
