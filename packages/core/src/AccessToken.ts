/**
 * What an access token says of itself. It is a hint and never more: nobody but the API can tell whether it is true.
 *
 * @since 0.1.0
 */
import * as Base64Url from "effect/encoding/Base64Url"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * The tenant a token is for, and the app that asked for it (`appid` in tokens of version 1, `azp` in those of version 2).
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference
 * @since 0.1.0
 * @category schemas
 */
export const Claims = Schema.Struct({
  tid: Schema.optionalKey(Schema.String),
  appid: Schema.optionalKey(Schema.String),
  azp: Schema.optionalKey(Schema.String),
})

/**
 * @since 0.1.0
 * @category models
 */
export type Claims = typeof Claims.Type

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Claims))

/**
 * The claims of a token, unchecked. A token that is no JWT has none.
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
  Option.flatMap(Result.getSuccess(Base64Url.decodeString(Redacted.value(token).split(".")[1] ?? "")), decode)
