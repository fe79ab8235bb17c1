/**
 * The claims of an access token. They are hints: only the API can verify them.
 *
 * @since 0.1.0
 */
import * as Base64Url from "effect/encoding/Base64Url"
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Lenient from "./internal/lenientFields.ts"

/**
 * The claims that this library reads.
 *
 * **Details**
 *
 * - `tid`: the tenant
 * - `appid` (version 1) or `azp` (version 2): the app that requested the token
 * - `aud`: the API that the token is for
 * - `roles`: the permissions of an app; `scp`: its permissions on behalf of a user, separated by spaces; `upn`: that user
 * - `idtyp`: `app` in some tokens that an app got for itself
 * - `exp`: when the token expires, in seconds since 1970
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference
 * @since 0.1.0
 * @category schemas
 */
export const Claims = Schema.Struct({
  tid: Schema.optionalKey(Schema.String),
  appid: Schema.optionalKey(Schema.String),
  azp: Schema.optionalKey(Schema.String),
  aud: Schema.optionalKey(Schema.String),
  roles: Schema.optionalKey(Schema.Array(Schema.String)),
  scp: Schema.optionalKey(Schema.String),
  upn: Schema.optionalKey(Schema.String),
  idtyp: Schema.optionalKey(Schema.String),
  exp: Schema.optionalKey(Schema.Finite),
})

/**
 * @since 0.1.0
 * @category models
 */
export type Claims = typeof Claims.Type

const decodeObject = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/** The texts in a value that is a list or one item; `undefined` where there is none. */
const textsOf = (value: unknown): ReadonlyArray<string> | undefined => {
  const texts = (Array.isArray(value) ? value : [value]).flatMap((item) => Lenient.text(item) ?? [])
  return texts.length === 0 && !Array.isArray(value) ? undefined : texts
}

/** Each claim is read by itself: one of an unexpected type is left out, and costs the others nothing. */
const claimsOf = (values: Readonly<Record<string, unknown>>): Claims => {
  const textOf = (name: string) => Lenient.text(Lenient.member(values, name))
  const listOf = (name: string) => textsOf(Lenient.member(values, name))
  const audiences = listOf("aud") ?? []
  return Lenient.present({
    tid: textOf("tid"),
    appid: textOf("appid"),
    azp: textOf("azp"),
    aud: audiences.find(isDefender) ?? audiences[0],
    roles: listOf("roles"),
    scp: listOf("scp")?.join(" "),
    upn: textOf("upn"),
    idtyp: textOf("idtyp"),
    exp: Lenient.number(Lenient.member(values, "exp")),
  })
}

/**
 * Decodes the claims of a token, without verifying them. A token that is not a JWT has none, and a claim of an unexpected
 * type is left out.
 *
 * @example
 * ```ts
 * import * as AccessToken from "@live-response/core/AccessToken"
 * import * as Option from "effect/Option"
 * import * as Redacted from "effect/Redacted"
 *
 * const token = Redacted.make(`e30.${btoa(`{"tid":"contoso"}`)}.c2ln`)
 * console.log(Option.getOrUndefined(AccessToken.claims(token))?.tid) // contoso
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const claims = (token: Redacted.Redacted<string>): Option.Option<Claims> =>
  Result.getSuccess(Base64Url.decodeString(Redacted.value(token).split(".")[1] ?? "")).pipe(
    Option.flatMap(decodeObject),
    Option.map(claimsOf),
  )

/**
 * The app that requested the token.
 *
 * @since 0.1.0
 * @category decoding
 */
export const app = (claims: Claims): string | undefined => claims.appid ?? claims.azp

/**
 * Whether an app got the token for itself (`app-only`) or on behalf of a user (`delegated`).
 *
 * @since 0.1.0
 * @category decoding
 */
export const kind = (claims: Claims): "app-only" | "delegated" =>
  claims.idtyp !== "app" && claims.scp !== undefined ? "delegated" : "app-only"

/**
 * The permissions of the token: the roles of an app, or its scopes on behalf of a user.
 *
 * @since 0.1.0
 * @category decoding
 */
export const permissions = (claims: Claims): ReadonlyArray<string> =>
  kind(claims) === "app-only" ? (claims.roles ?? []) : (claims.scp?.split(" ").filter((scope) => scope !== "") ?? [])

/**
 * When the token expires, where it says so.
 *
 * @since 0.1.0
 * @category decoding
 */
export const expiry = (claims: Claims): Option.Option<DateTime.Utc> =>
  claims.exp === undefined ? Option.none() : DateTime.make(claims.exp * 1000)

/** The API's app id in Entra, which some tokens name in place of its address, and the address in Microsoft's oldest samples. */
const otherNames = new Set([
  "fc780465-2017-40d4-a0c5-307022471b92",
  "https://securitycenter.onmicrosoft.com/windowsatpservice",
])

const isDefender = (audience: string): boolean =>
  otherNames.has(audience.replace(/\/$/, "")) ||
  /^https:\/\/([a-z-]+\.)*(securitycenter\.(microsoft|windows)|security\.microsoft)\.(com|us)\/?$/.test(audience)

/**
 * Whether the token is for the Defender API, by any of its names. `true` where the token does not say what it is for.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isForDefender = (claims: Claims): boolean => claims.aud === undefined || isDefender(claims.aud)

/**
 * Reasons why the API may refuse the token, in sentences for a person: it has expired by this machine's clock, or is for
 * another API than Defender's.
 *
 * @since 0.1.0
 * @category decoding
 */
export const doubts = (claims: Claims, now: DateTime.Utc): ReadonlyArray<string> => [
  ...Option.match(Option.filter(expiry(claims), DateTime.isLessThan(now)), {
    onNone: () => [],
    onSome: (expired) => [`the token expired at ${DateTime.formatIso(expired)}, by this machine's clock`],
  }),
  ...(isForDefender(claims)
    ? []
    : [`the token is for ${claims.aud}, which is not the Defender API: was it asked for with the right audience?`]),
]
