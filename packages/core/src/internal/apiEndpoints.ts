/** What the calls of one API share: its address, its client, and a quota for each kind of call. */
import * as Effect from "effect/Effect"
import type { Pause, Service as Quota } from "../Quota.ts"
import * as QuotaRule from "../QuotaRule.ts"
import type { Settings } from "../Timing.ts"
import type * as ApiCall from "./apiCall.ts"
import { cachedSuccess } from "./cachedSuccess.ts"

export interface Api {
  readonly base: string
  readonly call: ApiCall.Client
  readonly endpoints: Effect.Success<ReturnType<typeof make>>
  readonly timing: Effect.Effect<Settings>
}

/** The name of the calls for links to investigation packages, which their quota has in its pauses. */
const packageLinks = "GetPackageUri"

/** Whether a pause is one of links, of either kind: the only calls that each result needs. */
export const isOfLinks = ({ api }: Pause): boolean => api === undefined || api === packageLinks

/** A kind of call with its quota, whose log is opened with the first call. */
export const endpoint = (
  quota: Quota,
  name: string,
  windows: ReadonlyArray<QuotaRule.Window> = QuotaRule.usualWindows,
) => cachedSuccess(Effect.map(quota.ofApi({ name, windows }), (quota): ApiCall.Endpoint => ({ name, quota })))

/** The kinds of calls about actions. */
export const make = (quota: Quota, runWindows: ReadonlyArray<QuotaRule.Window> = QuotaRule.runWindows) =>
  Effect.all({
    link: Effect.succeed({ name: "GetLiveResponseResultDownloadLink", quota }),
    package: endpoint(quota, packageLinks, QuotaRule.packageWindows),
    collect: endpoint(quota, "CollectInvestigationPackage"),
    list: endpoint(quota, "ListMachineActions"),
    get: endpoint(quota, "GetMachineAction"),
    machines: endpoint(quota, "ListMachines"),
    run: endpoint(quota, "RunLiveResponse", runWindows),
    cancel: endpoint(quota, "CancelMachineAction"),
  })
