/** Machines that are offline: when a machine counts as one, and how long the service queues its session. */
import * as Duration from "effect/Duration"

/** How long a session may be pending before its machine counts as offline: it releases its slot, and is polled less often. */
export const offlineAfter: Duration.Duration = Duration.minutes(2)

/** How long Microsoft queues the session of a machine that is offline. */
export const queuedFor: Duration.Duration = Duration.hours(2)

/** How long an action is waited for at a service that queues a session for `offlineFor`. */
export const longestWait = (offlineFor: Duration.Input): Duration.Duration =>
  Duration.sum(Duration.fromInputUnsafe(offlineFor), Duration.days(1))
