/** The options that the credentials of `@azure/identity` share. */
import type { ClientSecretCredentialOptions } from "@azure/identity"
import * as Cloud from "@live-response/core/Cloud"
import { boundedAnswer } from "./signInAnswerLimit.ts"
import type { AdditionalPolicy, LastConnection } from "./signInConnection.ts"
import * as Proxy from "./proxy.ts"

/** Microsoft's own servers. No other server is in the directory that `@azure/identity` would look it up in. */
const knownAuthorities = new Set(Object.values(Cloud.clouds).map(({ authority }) => authority))

/** A sign-in server of this machine is reached without a proxy. */
const withoutProxy: LastConnection["policy"] = {
  name: "withoutProxy",
  sendRequest: (request, next) => {
    const url = URL.parse(request.url)
    if (url !== null && Proxy.isDirect(url)) delete request.agent
    return next(request)
  },
}

const inEachAttempt = (policy: LastConnection["policy"]): AdditionalPolicy => ({ policy, position: "perRetry" })

export interface CommonOptions extends Pick<ClientSecretCredentialOptions, "proxyOptions"> {
  readonly additionalPolicies: Array<AdditionalPolicy>
  readonly authorityHost: string
  readonly disableInstanceDiscovery: boolean
  readonly retryOptions: Readonly<Record<"maxRetries" | "retryDelayInMs" | "maxRetryDelayInMs", number>>
}

export const commonOptions = (
  authority: string,
  proxy: ReturnType<typeof Proxy.ofSignIn>,
  policy: LastConnection["policy"],
): CommonOptions => ({
  ...proxy,
  additionalPolicies: [policy, boundedAnswer, withoutProxy].map(inEachAttempt),
  authorityHost: authority,
  disableInstanceDiscovery: !knownAuthorities.has(authority),
  // A person may be waiting at the screen. In the middle of a batch `Timing.renewal` is more patient.
  retryOptions: { maxRetries: 2, retryDelayInMs: 500, maxRetryDelayInMs: 2000 },
})
