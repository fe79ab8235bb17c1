/** Entra of the simulator: the sign-in of apps and users, as far as its documents and its clients tell. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { outage } from "./errors.ts"
import type { Fault } from "../../testing/Simulator.ts"

/**
 * An app that may sign in, by any of the proofs that it has.
 *
 * @since 0.1.0
 * @category models
 */
export interface App {
  readonly clientId: string

  /** The tenant that it is in. By default any. */
  readonly tenantId?: string | undefined

  readonly clientSecret?: string | undefined

  /** The secret is right, and its time is over. */
  readonly secretExpired?: boolean | undefined

  /** The public key of its certificate (SPKI, DER): assertions are verified with it. */
  readonly certificateKey?: Uint8Array<ArrayBuffer> | undefined

  /** The token of another issuer that it trusts. */
  readonly federatedToken?: string | undefined

  /** Whether users may sign in through it by a device code. By default they may. */
  readonly publicClient?: boolean | undefined
}

/**
 * How a user who is shown a device code behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeviceUser {
  /** So many polls are answered with `authorization_pending` before the user is done. By default none. */
  readonly after?: number | undefined

  /** Declines. By default the user signs in. */
  readonly declines?: boolean | undefined

  /** The first poll is answered with `slow_down`, as if it came too early. By default only one that does is. */
  readonly slowDown?: boolean | undefined

  /** How long the code is good. By default 15 minutes. */
  readonly codeLifetime?: Duration.Input | undefined
}

export interface Options {
  readonly app: App | undefined
  readonly deviceUser: DeviceUser | undefined
  readonly roles: ReadonlyArray<string>
  readonly scopes: ReadonlyArray<string>
  readonly tokenLifetime: number
  readonly faults: ReadonlyArray<Fault>
  /** Notes a token that was issued, until when it is good. */
  readonly issued: (token: string, expires: number) => void
  readonly randomHex: (length: number) => Effect.Effect<string>
}

/** The sign-in's own addresses. */
export const path = /^\/([^/]+)\/(?:oauth2\/v2\.0\/(token|devicecode)|v2\.0\/\.well-known\/(openid-configuration))$/

const correlationId = "43f4cb08-8fac-4b65-9db1-745c2ae65f3a"

const refuse = (
  status: number,
  error: string,
  code: number,
  description: string,
  headers?: Readonly<Record<string, string>>,
) =>
  HttpServerResponse.jsonUnsafe(
    {
      error,
      error_description: `AADSTS${code}: ${description} Trace ID: 0000 Correlation ID: ${correlationId}`,
      error_codes: [code],
      trace_id: "00000000-0000-0000-0000-000000000000",
      correlation_id: correlationId,
    },
    { status, ...(headers === undefined ? {} : { headers }) },
  )

const transient = "A transient error has occurred. Please try again."

/** What a sign-in server answers that is in trouble, or the gateway before it. */
const trouble = (fault: Fault | undefined): Effect.Effect<HttpServerResponse.HttpServerResponse | undefined> => {
  switch (fault?.fault) {
    case "throttle": {
      const headers = fault.retryAfter === undefined ? {} : { "retry-after": String(fault.retryAfter) }
      return Effect.succeed(refuse(429, "temporarily_unavailable", 90033, transient, headers))
    }
    case "status":
      return Effect.succeed(
        fault.code === undefined ? outage(fault.status) : refuse(fault.status, fault.code, 90033, transient),
      )
    case "stall":
      return Effect.succeed(HttpServerResponse.stream(Stream.never, { contentType: "application/json" }))
    default:
      return Effect.succeed(undefined)
  }
}

const noProof = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."

const encode = (value: unknown) => Base64Url.encode(JSON.stringify(value))

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/** By its full name, and as MSAL calls it. */
const deviceGrants: ReadonlySet<string | null> = new Set([
  "urn:ietf:params:oauth:grant-type:device_code",
  "device_code",
])

const decodeHeader = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({
      alg: Schema.Literals(["RS256", "PS256"]),
      x5t: Schema.optional(Schema.String),
      "x5t#S256": Schema.optional(Schema.String),
    }),
  ),
)

const decodePayload = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ aud: Schema.String, iss: Schema.String, exp: Schema.Finite })),
)

const decoded = (part: string) => Result.getOrElse(Base64Url.decodeString(part), () => "")

const algorithms = {
  RS256: { importing: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, verifying: { name: "RSASSA-PKCS1-v1_5" } },
  PS256: { importing: { name: "RSA-PSS", hash: "SHA-256" }, verifying: { name: "RSA-PSS", saltLength: 32 } },
}

/** Whether an assertion is signed by the app's certificate, for this server, and not over. */
const isAssertedBy = Effect.fnUntraced(function* (app: App, assertion: string, endpoint: string, now: number) {
  const [head = "", body = "", signature = ""] = assertion.split(".")
  const header = Option.getOrUndefined(decodeHeader(decoded(head)))
  const payload = Option.getOrUndefined(decodePayload(decoded(body)))
  const bytes = Result.getOrElse(Base64Url.decode(signature), () => new Uint8Array())
  if (header === undefined || payload === undefined || app.certificateKey === undefined) return false
  if ((header.x5t ?? header["x5t#S256"]) === undefined) return false
  if (payload.aud !== endpoint || payload.iss !== app.clientId || payload.exp * 1000 <= now) return false
  const { importing, verifying } = algorithms[header.alg]
  const { certificateKey } = app
  const signed = new TextEncoder().encode(`${head}.${body}`)
  return yield* Effect.promise(() =>
    crypto.subtle
      .importKey("spki", certificateKey, importing, false, ["verify"])
      .then((key) => crypto.subtle.verify(verifying, key, new Uint8Array(bytes), signed)),
  )
})

interface Device {
  readonly expires: number
  polls: number
  /** The soonest that it may be asked for again. */
  next: number
  /** Seconds between two polls: five more after each that came too early. */
  interval: number
}

/** A timer may be a little early, and Entra is not that strict. */
const tolerance = 100

const configuration = (tenant: string, origin: string) =>
  HttpServerResponse.jsonUnsafe({
    issuer: `${origin}/${tenant}/v2.0`,
    authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/authorize`,
    token_endpoint: `${origin}/${tenant}/oauth2/v2.0/token`,
    device_authorization_endpoint: `${origin}/${tenant}/oauth2/v2.0/devicecode`,
    jwks_uri: `${origin}/${tenant}/discovery/v2.0/keys`,
  })

export const make = (options: Options) => {
  const { app, deviceUser } = options
  const codeLifetime = Duration.toMillis(deviceUser?.codeLifetime ?? "15 minutes")
  const faults = [...options.faults]
  const devices = new Map<string, Device>()
  const refreshTokens = new Set<string>()

  const issue = Effect.fnUntraced(function* (
    who: { readonly tenant: string; readonly clientId: string | null; readonly scope: string; readonly user?: string },
    now: number,
  ) {
    const expires = now + options.tokenLifetime
    const audience = who.scope.split(" ").find((scope) => scope.endsWith("/.default")) ?? ""
    const claims = {
      tid: who.tenant,
      appid: who.clientId,
      aud: audience.replace(/\/\.default$/, ""),
      ...(who.user === undefined
        ? { idtyp: "app", roles: options.roles }
        : { scp: options.scopes.join(" "), upn: who.user }),
      iat: Math.floor(now / 1000),
      exp: Math.floor(expires / 1000),
    }
    const token = [encode({ typ: "JWT", alg: "none" }), encode(claims), yield* options.randomHex(16)].join(".")
    options.issued(token, expires)
    return { token, expires_in: Math.floor(options.tokenLifetime / 1000) }
  })

  /** A user has, beside the token, what a client needs to renew it without asking again. */
  const issueToUser = Effect.fnUntraced(function* (tenant: string, form: URLSearchParams, now: number) {
    const user = "analyst@contoso.com"
    const scope = form.get("scope") ?? ""
    const clientId = form.get("client_id")
    const { expires_in, token } = yield* issue({ tenant, clientId, scope, user }, now)
    const refresh_token = yield* options.randomHex(32)
    refreshTokens.add(refresh_token)
    const identity = { oid: "user", tid: tenant, sub: "user", preferred_username: user, aud: clientId, iss: tenant }
    return HttpServerResponse.jsonUnsafe({
      token_type: "Bearer",
      scope,
      expires_in,
      access_token: token,
      refresh_token,
      id_token: [encode({ typ: "JWT", alg: "none" }), encode(identity), ""].join("."),
      client_info: encode({ uid: "user", utid: tenant }),
    })
  })

  const asApp = Effect.fnUntraced(function* (tenant: string, form: URLSearchParams, endpoint: string, now: number) {
    const scope = form.get("scope") ?? ""
    if (!scope.includes("/.default")) {
      return refuse(400, "invalid_request", 900144, "The request body must contain grant_type and scope.")
    }
    const assertion = form.get("client_assertion")
    if (app !== undefined && assertion !== null && form.get("client_assertion_type") === jwtBearer) {
      const isFederated = app.federatedToken !== undefined
      if (isFederated && assertion !== app.federatedToken) {
        return refuse(
          401,
          "invalid_client",
          700213,
          "No matching federated identity record found for presented assertion.",
        )
      }
      if (!isFederated && !(yield* isAssertedBy(app, assertion, endpoint, now))) {
        return refuse(
          401,
          "invalid_client",
          700027,
          "The certificate with identifier used to sign the client assertion is not registered on application.",
        )
      }
    } else if (app !== undefined) {
      const secret = form.get("client_secret")
      if (secret === null) {
        return refuse(401, "invalid_client", 7000218, noProof)
      }
      if (secret !== app.clientSecret) {
        return refuse(
          401,
          "invalid_client",
          7000215,
          "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value.",
        )
      }
      if (app.secretExpired === true) {
        return refuse(401, "invalid_client", 7000222, "The provided client secret keys for app are expired.")
      }
    }
    const { expires_in, token } = yield* issue({ tenant, clientId: form.get("client_id"), scope }, now)
    return HttpServerResponse.jsonUnsafe({ token_type: "Bearer", expires_in, access_token: token })
  })

  const pollDevice = Effect.fnUntraced(function* (tenant: string, form: URLSearchParams, now: number) {
    const code = form.get("device_code") ?? ""
    const device = devices.get(code)
    if (device === undefined || device.expires <= now) {
      return refuse(400, "expired_token", 70020, "The device code has expired.")
    }
    const poll = device.polls++
    const isEarly = now < device.next - tolerance || (deviceUser?.slowDown === true && poll === 0)
    if (isEarly) device.interval += 5
    device.next = now + device.interval * 1000
    if (isEarly) return refuse(400, "slow_down", 90085, "Poll less often.")
    if (poll < (deviceUser?.after ?? 0)) return refuse(400, "authorization_pending", 70016, "Authorization is pending.")
    devices.delete(code)
    if (deviceUser?.declines === true) {
      return refuse(400, "authorization_declined", 70017, "The user declined the authorization.")
    }
    if (app?.publicClient === false) return refuse(401, "invalid_client", 7000218, noProof)
    return yield* issueToUser(tenant, form, now)
  })

  const refresh = Effect.fnUntraced(function* (tenant: string, form: URLSearchParams, now: number) {
    return refreshTokens.delete(form.get("refresh_token") ?? "")
      ? yield* issueToUser(tenant, form, now)
      : refuse(400, "invalid_grant", 700082, "The refresh token has expired due to inactivity.")
  })

  return Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, url: URL, now: number) {
    const [, tenant = "", operation] = path.exec(url.pathname) ?? []
    // Of any tenant: clients know what the vendor's own servers would say here, and so meet an unknown one below.
    if (operation === undefined) return configuration(tenant, url.origin)
    const troubled = yield* trouble(operation === "token" ? faults.shift() : undefined)
    if (troubled !== undefined) return troubled
    const form = new URLSearchParams(yield* Effect.orElseSucceed(request.text, () => ""))
    if (app?.tenantId !== undefined && tenant !== app.tenantId) {
      return refuse(400, "invalid_request", 90002, `Tenant '${tenant}' not found. Check the tenant.`)
    }
    if (app !== undefined && form.get("client_id") !== app.clientId) {
      const name = form.get("client_id")
      return refuse(
        400,
        "unauthorized_client",
        700016,
        `Application with identifier '${name}' was not found in the directory.`,
      )
    }
    if (operation === "devicecode") {
      const device_code = yield* options.randomHex(32)
      devices.set(device_code, { expires: now + codeLifetime, polls: 0, next: now, interval: 1 })
      const verification_uri = "https://microsoft.com/devicelogin"
      return HttpServerResponse.jsonUnsafe({
        user_code: "HQ4T7ZLMN",
        device_code,
        verification_uri,
        expires_in: Math.floor(codeLifetime / 1000),
        interval: 1,
        message: `To sign in, use a web browser to open the page ${verification_uri} and enter the code HQ4T7ZLMN to authenticate.`,
      })
    }
    const grant = form.get("grant_type")
    if (grant === "client_credentials") return yield* asApp(tenant, form, `${url.origin}${url.pathname}`, now)
    if (grant === "refresh_token") return yield* refresh(tenant, form, now)
    if (deviceGrants.has(grant)) return yield* pollDevice(tenant, form, now)
    return refuse(400, "invalid_request", 900144, "The request body must contain grant_type and scope.")
  })
}
