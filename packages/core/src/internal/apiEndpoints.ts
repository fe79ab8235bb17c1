/** What the calls of one API share: its address, its client, and a quota for each kind of call. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Service as Quota } from "../Quota.ts"
import * as QuotaRule from "../QuotaRule.ts"
import * as Session from "../Session.ts"
import type { Settings } from "../Timing.ts"
import type * as ApiCall from "./apiCall.ts"
import { cachedSuccess } from "./cachedSuccess.ts"

export interface Api {
  readonly base: string
  readonly call: ApiCall.Client
  readonly endpoints: Effect.Success<ReturnType<typeof make>>
  readonly timing: Effect.Effect<Settings>
}

/**
 * Microsoft's limits for reading actions and machines, and for cancelling.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection
 */
const usualWindows = QuotaRule.windowsOf({ perMinute: 100, perHour: 1500 })

/** @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response */
const defaultRunWindows = [QuotaRule.Window.make({ limit: Session.limits.perMinute, duration: Duration.minutes(1) })]

/** Each kind of call with its quota, whose log is opened with the first call. */
export const make = (quota: Quota, runWindows: ReadonlyArray<QuotaRule.Window> = defaultRunWindows) => {
  const endpoint = (name: string, windows: ReadonlyArray<QuotaRule.Window>) =>
    cachedSuccess(Effect.map(quota.ofApi({ name, windows }), (quota): ApiCall.Endpoint => ({ name, quota })))
  return Effect.all({
    link: Effect.succeed({ name: "GetLiveResponseResultDownloadLink", quota }),
    list: endpoint("ListMachineActions", usualWindows),
    get: endpoint("GetMachineAction", usualWindows),
    machines: endpoint("ListMachines", usualWindows),
    run: endpoint("RunLiveResponse", runWindows),
    cancel: endpoint("CancelMachineAction", usualWindows),
  })
}
