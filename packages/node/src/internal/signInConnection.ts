import type { ClientSecretCredentialOptions } from "@azure/identity"

export type AdditionalPolicy = NonNullable<ClientSecretCredentialOptions["additionalPolicies"]>[number]

type Policy = AdditionalPolicy["policy"]

export interface LastConnection {
  readonly policy: Policy
  /** Why the last request got no connection, where it got none. */
  readonly error: () => unknown
}

/** The code of the error for a proxy that demands other credentials. */
export const proxyCode = "ERR_PROXY_AUTHENTICATION"

const refusedByProxy = (): Error => Object.assign(new Error("the proxy answered HTTP 407"), { code: proxyCode })

/** Remembers why a request got no connection: MSAL (7.2) says only that there was no answer. */
export const lastConnection = (): LastConnection => {
  let last: unknown
  return {
    policy: {
      name: "lastConnection",
      sendRequest: (request, next) =>
        next(request).then(
          (response) => {
            last = response.status === 407 ? refusedByProxy() : undefined
            return response
          },
          (error: unknown) => {
            last = error
            return Promise.reject(error)
          },
        ),
    },
    error: () => last,
  }
}
