/** The tokens that the simulated Entra issues: unsigned access tokens, ID tokens and refresh tokens. */
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { randomHex } from "../randomHex.ts"

export interface EntraTokens {
  /** The permissions of apps and of users. */
  readonly roles: ReadonlyArray<string>
  readonly scopes: ReadonlyArray<string>
  /** How many milliseconds an access token is valid. */
  readonly lifetime: number
  /** When each access token expires, in milliseconds. The API reads it. */
  readonly accessTokens: Map<string, number>
  readonly refreshTokens: Set<string>
}

const user = "analyst@contoso.com"

const encode = (value: unknown) => Base64Url.encode(JSON.stringify(value))

const unsigned = encode({ typ: "JWT", alg: "none" })

/** What a token request names: the tenant in its path, the app and the scope in its form. */
const subjectOf = (tenant: string, form: URLSearchParams) => ({
  tenant,
  clientId: form.get("client_id"),
  scope: form.get("scope") ?? "",
})

const issue = Effect.fnUntraced(function* (
  self: EntraTokens,
  { clientId, scope, tenant }: ReturnType<typeof subjectOf>,
  permissions: object,
  now: number,
) {
  const expiresAt = now + self.lifetime
  const audience = scope.split(" ").find((scope) => scope.endsWith("/.default")) ?? ""
  const claims = {
    tid: tenant,
    appid: clientId,
    aud: audience.replace(/\/\.default$/, ""),
    ...permissions,
    iat: Math.floor(now / 1000),
    exp: Math.floor(expiresAt / 1000),
  }
  const token = [unsigned, encode(claims), yield* randomHex(16)].join(".")
  self.accessTokens.set(token, expiresAt)
  return { token_type: "Bearer", expires_in: Math.floor(self.lifetime / 1000), access_token: token }
})

/** Issues a token to an app. */
export const issueToApp = Effect.fnUntraced(function* (
  self: EntraTokens,
  tenant: string,
  form: URLSearchParams,
  now: number,
) {
  const permissions = { idtyp: "app", roles: self.roles }
  return HttpServerResponse.jsonUnsafe(yield* issue(self, subjectOf(tenant, form), permissions, now))
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
