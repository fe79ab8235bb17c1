/** The tokens that the simulated Entra issues: unsigned access tokens, ID tokens and refresh tokens. */
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { randomHex } from "../randomHex.ts"

export interface AccessToken {
  /** In milliseconds since 1970. */
  readonly expiresAt: number
  /** The API that the token is for. Nothing: the API of the simulator. */
  readonly audience?: string
}

export interface EntraTokens {
  /** The permissions of apps and of users. */
  readonly roles: ReadonlyArray<string>
  readonly scopes: ReadonlyArray<string>
  /** How many milliseconds an access token is valid. */
  readonly lifetime: number
  /** The tokens that were issued. The API reads them. */
  readonly accessTokens: Map<string, AccessToken>
  readonly refreshTokens: Set<string>
}

const user = "analyst@contoso.com"

const encode = (value: unknown) => Base64Url.encode(JSON.stringify(value))

const unsigned = encode({ typ: "JWT", alg: "none" })

/** What a token request names: the tenant in its path, the app and the scope in its form. Version 1 has a resource for a scope. */
const subjectOf = (tenant: string, form: URLSearchParams) => ({
  tenant,
  clientId: form.get("client_id"),
  scope: form.get("scope") ?? "",
  resource: form.get("resource"),
})

const issue = Effect.fnUntraced(function* (
  self: EntraTokens,
  { clientId, resource, scope, tenant }: ReturnType<typeof subjectOf>,
  permissions: object,
  now: number,
) {
  const expiresAt = now + self.lifetime
  const named = scope.split(" ").find((scope) => scope.endsWith("/.default")) ?? ""
  const audience = resource ?? named.replace(/\/\.default$/, "")
  const claims = {
    tid: tenant,
    appid: clientId,
    aud: audience,
    ...permissions,
    iat: Math.floor(now / 1000),
    exp: Math.floor(expiresAt / 1000),
  }
  const token = [unsigned, encode(claims), yield* randomHex(16)].join(".")
  self.accessTokens.set(token, { expiresAt, audience })
  return { token_type: "Bearer", expires_in: Math.floor(self.lifetime / 1000), access_token: token }
})

/** Version 1 of the endpoint answers with text for numbers. */
const inVersion1 = (issued: Effect.Success<ReturnType<typeof issue>>, resource: string | null, now: number) => ({
  ...issued,
  expires_in: String(issued.expires_in),
  ext_expires_in: String(issued.expires_in),
  not_before: String(Math.floor(now / 1000)),
  expires_on: String(Math.floor(now / 1000) + issued.expires_in),
  resource,
})

/** Issues a token to an app, in the shape of version 1 if the request names a resource. */
export const issueToApp = Effect.fnUntraced(function* (
  self: EntraTokens,
  tenant: string,
  form: URLSearchParams,
  now: number,
) {
  const permissions = { idtyp: "app", roles: self.roles }
  const subject = subjectOf(tenant, form)
  const issued = yield* issue(self, subject, permissions, now)
  return HttpServerResponse.jsonUnsafe(subject.resource === null ? issued : inVersion1(issued, subject.resource, now))
})

/** Issues a token to a user, with a refresh token, so that the client can renew it without asking the user again. */
export const issueToUser = Effect.fnUntraced(function* (
  self: EntraTokens,
  tenant: string,
  form: URLSearchParams,
  now: number,
) {
  const subject = subjectOf(tenant, form)
  const permissions = { scp: self.scopes.join(" "), upn: user }
  const issued = yield* issue(self, subject, permissions, now)
  const refreshToken = yield* randomHex(32)
  self.refreshTokens.add(refreshToken)
  const identity = {
    oid: "user",
    tid: tenant,
    sub: "user",
    preferred_username: user,
    aud: subject.clientId,
    iss: tenant,
  }
  return HttpServerResponse.jsonUnsafe({
    ...issued,
    scope: subject.scope,
    refresh_token: refreshToken,
    id_token: [unsigned, encode(identity), ""].join("."),
    client_info: encode({ uid: "user", utid: tenant }),
  })
})
