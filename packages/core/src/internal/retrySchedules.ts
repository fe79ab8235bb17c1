/** How often a failed operation is retried by default, and after which delays. `Timing.Settings` describes each schedule. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DefenderError } from "../DefenderError.ts"
import type { ObjectStoreError } from "../ObjectStoreError.ts"
import type { TransferError } from "../TransferError.ts"
import { longestRequestedWait } from "./retryAfter.ts"

/** How many times a call of the API, and a transfer without progress, is retried. */
export const times = { api: 8, transfer: 5 } as const

const doubling = (base: Duration.Input, cap: Duration.Input, times: number) =>
  Schedule.min([Schedule.exponential(base), Schedule.spaced(cap)]).pipe(Schedule.jittered, Schedule.upTo({ times }))

/** The usual delays: a second, doubled up to half a minute. */
export const backOff = (times: number) => doubling("1 second", "30 seconds", times)

/** The wait that the server asked for, within bounds. */
const requestedWait = ({ reason }: DefenderError | TransferError | ObjectStoreError): Duration.Duration | undefined =>
  "retryAfter" in reason && reason.retryAfter !== undefined
    ? Duration.min(reason.retryAfter, longestRequestedWait)
    : undefined

/** The API has throttled a call. */
const throttled = Schedule.min([Schedule.exponential("5 seconds"), Schedule.spaced("5 minutes")]).pipe(
  Schedule.setInputType<DefenderError>(),
  Schedule.modifyDelay(({ duration, input }) => Effect.succeed(requestedWait(input) ?? duration)),
  Schedule.upTo({ times: 20 }),
)

/** A server in trouble. It can ask for no more than the longest wait in all. */
const busy = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]).pipe(
  Schedule.jittered,
  Schedule.setInputType<DefenderError | TransferError>(),
  Schedule.modifyDelay(({ duration, elapsed, input }) => {
    const left = Duration.subtract(longestRequestedWait, Duration.millis(elapsed))
    return Effect.succeed(Duration.min(Duration.max(duration, requestedWait(input) ?? Duration.zero), left))
  }),
  Schedule.while(({ elapsed }) => Effect.succeed(elapsed < Duration.toMillis(longestRequestedWait))),
  Schedule.upTo({ times: 20 }),
)

/** An object store that is away, in trouble, or throttles. */
const objectStore = Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("30 seconds")]).pipe(
  Schedule.jittered,
  Schedule.setInputType<ObjectStoreError>(),
  Schedule.modifyDelay(({ duration, input }) =>
    Effect.succeed(Duration.max(duration, requestedWait(input) ?? Duration.zero)),
  ),
  Schedule.upTo({ duration: longestRequestedWait }),
)

export const defaults = {
  quotaStore: backOff(8),
  throttled,
  busy,
  api: backOff(times.api),
  link: Schedule.recurs(1),
  transfer: backOff(times.transfer),
  signIn: doubling("500 millis", "2 seconds", 2),
  renewal: backOff(20),
  objectStore,
  restart: Schedule.recurs(2),
}
