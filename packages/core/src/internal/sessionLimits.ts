/** Microsoft's limits for live response sessions. `Session.limits` describes them. */
import * as OfflineMachine from "./offlineMachine.ts"

export const sessionLimits = { atOnce: 50, perMinute: 10, offlineFor: OfflineMachine.queuedFor } as const
