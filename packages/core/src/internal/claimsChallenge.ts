import * as Base64 from "effect/encoding/Base64"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** Most servers refuse a header of this size, so that no challenge is longer. */
const longest = 16 * 1024

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/**
 * The claims that the `WWW-Authenticate` header of a 401 demands, as the JSON text that `getToken(scopes, { claims })` and
 * the token endpoint of Entra accept.
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/claims-challenge
 */
export const parse = (header: string | undefined): Option.Option<string> => {
  if (header === undefined || header.length > longest || !/\berror="?insufficient_claims\b/.test(header)) {
    return Option.none()
  }
  const claims = /\bclaims="?([A-Za-z0-9+/_-]+=*)/.exec(header)?.[1] ?? ""
  const decoded = /[-_]/.test(claims) ? Base64Url.decodeString(claims) : Base64.decodeString(claims)
  return Option.filter(Result.getSuccess(decoded), (text) => Option.isSome(decode(text)))
}
