/** The Entra of the simulator: apps and users sign in as Microsoft documents it and as MSAL does it. */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import * as AppCredentials from "./appCredentials.ts"
import * as DeviceCodes from "./deviceCodes.ts"
import * as EntraTokens from "./entraTokens.ts"
import { entraError, missingCredential, outage } from "./errors.ts"
import * as Faults from "./faults.ts"
import type { App, Fault } from "./inputs.ts"
import { textOf } from "./requestBody.ts"

export interface Entra {
  /** The only app that may sign in. Nothing: any app, with any secret. */
  readonly app: App | undefined
  readonly deviceCodes: DeviceCodes.DeviceCodes
  readonly tokens: EntraTokens.EntraTokens
  readonly faults: Faults.Faults
}

/** The endpoints of version 2, and `oauth2/token` of version 1, for which older clients have scripts. */
const path = /^\/([^/]+)\/(?:oauth2\/(v2\.0\/)?(?:(token)|(devicecode))|v2\.0\/\.well-known\/openid-configuration)$/i

export const isEntraPath = (pathname: string): boolean => path.test(pathname)

const transient = "A transient error has occurred. Please try again."

/** The answer that a fault replaces, if it replaces one. */
const faultAnswer = (fault: Fault | undefined) => {
  switch (fault?.fault) {
    case "throttle": {
      const headers = fault.retryAfter === undefined ? {} : { "retry-after": String(fault.retryAfter) }
      return entraError(429, "temporarily_unavailable", 90033, transient, headers)
    }
    case "status":
      return fault.code === undefined ? outage(fault.status) : entraError(fault.status, fault.code, 90033, transient)
    case "stall":
      return HttpServerResponse.stream(Stream.never, { contentType: "application/json" })
    default:
      return undefined
  }
}

const configurationOf = (tenant: string, origin: string) =>
  HttpServerResponse.jsonUnsafe({
    issuer: `${origin}/${tenant}/v2.0`,
    authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/authorize`,
    token_endpoint: `${origin}/${tenant}/oauth2/v2.0/token`,
    device_authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/devicecode`,
    jwks_uri: `${origin}/${tenant}/discovery/v2.0/keys`,
  })

/** The error for a request of another tenant or app than the one that may sign in. */
const checkApp = (app: App | undefined, tenant: string, clientId: string | null) => {
  if (app?.tenantId !== undefined && tenant !== app.tenantId) {
    return entraError(400, "invalid_request", 90002, `Tenant '${tenant}' not found. Check the tenant.`)
  }
  return app !== undefined && clientId !== app.clientId
    ? entraError(
        400,
        "unauthorized_client",
        700016,
        `Application with identifier '${clientId}' was not found in the directory.`,
      )
    : undefined
}

const invalidForm = (needed = "scope") =>
  entraError(400, "invalid_request", 900144, `The request body must contain grant_type and ${needed}.`)

/** A request for a token: the tenant and the endpoint that it was sent to, and its form. */
interface TokenRequest {
  readonly tenant: string
  readonly endpoint: string
  readonly form: URLSearchParams
  readonly isVersion1: boolean
  readonly now: number
}

const signInApp = Effect.fnUntraced(function* (self: Entra, request: TokenRequest) {
  const { endpoint, form, isVersion1, now, tenant } = request
  if (isVersion1 && (form.get("resource") ?? "") === "") return invalidForm("resource")
  if (!isVersion1 && !(form.get("scope") ?? "").includes("/.default")) return invalidForm()
  if (!isVersion1) form.delete("resource")
  const error = self.app === undefined ? undefined : yield* AppCredentials.check(self.app, form, endpoint, now)
  return error ?? (yield* EntraTokens.issueToApp(self.tokens, tenant, form, now))
})

const signInUser = Effect.fnUntraced(function* (self: Entra, { form, now, tenant }: TokenRequest) {
  const error = DeviceCodes.poll(self.deviceCodes, form.get("device_code") ?? "", now)
  if (error !== undefined) return error
  if (self.app?.publicClient === false) return missingCredential()
  return yield* EntraTokens.issueToUser(self.tokens, tenant, form, now)
})

const renew = Effect.fnUntraced(function* (self: Entra, { form, now, tenant }: TokenRequest) {
  return self.tokens.refreshTokens.delete(form.get("refresh_token") ?? "")
    ? yield* EntraTokens.issueToUser(self.tokens, tenant, form, now)
    : entraError(400, "invalid_grant", 700082, "The refresh token has expired due to inactivity.")
})

const answerGrant = Effect.fnUntraced(function* (self: Entra, request: TokenRequest) {
  switch (request.form.get("grant_type")) {
    case "client_credentials":
      return yield* signInApp(self, request)
    case "refresh_token":
      return yield* renew(self, request)
    // The full name, and the short one that MSAL sends.
    case "urn:ietf:params:oauth:grant-type:device_code":
    case "device_code":
      return yield* signInUser(self, request)
    default:
      return invalidForm()
  }
})

/** Answers a request to Entra. */
export const handle = Effect.fnUntraced(function* (
  self: Entra,
  request: HttpServerRequest.HttpServerRequest,
  url: URL,
  now: number,
) {
  const [, tenant = "", version2, token, code] = path.exec(url.pathname) ?? []
  // For any tenant: clients have the configuration of Microsoft's servers built in, so an unknown tenant fails below.
  if (token === undefined && code === undefined) return configurationOf(tenant, url.origin)
  const failed = faultAnswer(token === undefined ? undefined : Faults.next(self.faults, "token"))
  if (failed !== undefined) return failed
  const form = new URLSearchParams(yield* textOf(request))
  const error = checkApp(self.app, tenant, form.get("client_id"))
  if (error !== undefined) return error
  if (token === undefined) return yield* DeviceCodes.issue(self.deviceCodes, now)
  const isVersion1 = version2 === undefined
  return yield* answerGrant(self, { tenant, endpoint: `${url.origin}${url.pathname}`, form, isVersion1, now })
})
