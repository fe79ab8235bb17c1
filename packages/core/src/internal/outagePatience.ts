/** How long, and how often, a host is tried again that can't be reached. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"

/** How long the calls of this fiber wait for a host that can't be reached. Without it `Timing.giveUpAfter` applies. */
export const Patience = Context.Reference<Duration.Duration | undefined>("@live-response/core/internal/Patience", {
  defaultValue: () => undefined,
})

/** How long a batch waits by default. */
export const ofBatch = Duration.hours(1)

/** How long a single call waits by default. */
export const ofCall: Duration.Input = "5 seconds"

export const longest = Duration.minutes(1)

/** The delays between attempts to reach the host. */
export const retries = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced(longest)])
