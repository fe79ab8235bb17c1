/**
 * Where the Defender API is, where to sign in for it, and what a token for it is called.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SecureUrl from "./internal/secureUrl.ts"

/**
 * The address of an API or of a sign-in server, without a slash at the end. https everywhere; plain http on this machine
 * alone, because a bearer token goes there.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Endpoint = Schema.String.check(
  Schema.makeFilter((input) => Option.isSome(SecureUrl.parse(input)), {
    expected: "an https URL (plain http is for 127.0.0.1, [::1] and localhost alone)",
  }),
)

/**
 * One of the vendor's clouds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cloud {
  /** Base of the API's addresses. */
  readonly base: string

  /** Base of the sign-in server's addresses. */
  readonly authority: string

  /** What tokens are asked for: this with `/.default` behind it. */
  readonly audience: string
}

/**
 * The commercial cloud, by its newer host. The host of the vendor's page is `https://api.securitycenter.microsoft.com`.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-list
 * @since 0.1.0
 * @category clouds
 */
export const commercial: Cloud = {
  base: "https://api.security.microsoft.com",
  authority: "https://login.microsoftonline.com",
  audience: "https://api.securitycenter.microsoft.com",
}
