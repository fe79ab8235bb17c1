/** What the credentials of `@azure/identity` have in common. */
import type { ClientSecretCredentialOptions } from "@azure/identity"
import { boundedAnswer } from "./boundedAnswer.ts"
import type { AdditionalPolicy, LastConnection } from "./lastConnection.ts"
import type * as Proxy from "./proxy.ts"

/** The vendor's own servers; any other has no directory of servers to be looked up in. */
const knownAuthorities = new Set(["https://login.microsoftonline.com", "https://login.microsoftonline.us"])

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
  additionalPolicies: [policy, boundedAnswer].map(inEachAttempt),
  authorityHost: authority,
  disableInstanceDiscovery: !knownAuthorities.has(authority),
  // Who waits is at the screen. A longer patience, in the middle of a batch, is Timing's.
  retryOptions: { maxRetries: 2, retryDelayInMs: 500, maxRetryDelayInMs: 2000 },
})
