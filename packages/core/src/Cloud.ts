/**
 * Where the Defender API is, where to sign in for it, and what a token for it is called.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SecureUrl from "./internal/secureUrl.ts"
import { withoutEnd } from "./internal/text.ts"

/**
 * The address of an API or of a sign-in server, without a slash at the end. https everywhere; plain http on this machine
 * alone, because a bearer token goes there. It has no user and no password in it, because it is shown.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Endpoint = Schema.String.check(
  Schema.makeFilter((input) => Option.isSome(SecureUrl.parse(input)), {
    expected: "an https URL without a user or a password (plain http is for 127.0.0.1, [::1] and localhost alone)",
  }),
)

/** It is shown as well. */
const Audience = Schema.NonEmptyString.check(
  Schema.isPattern(/^(?!.*:\/\/[^/]*@)/s, { expected: "a URI without a user or a password" }),
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

const commercialAuthority = "https://login.microsoftonline.com"
const commercialAudience = "https://api.securitycenter.microsoft.com"

/** A cloud of the commercial sign-in, by the host of its API. */
const region = (base: string): Cloud => ({ base, authority: commercialAuthority, audience: commercialAudience })

const government = (base: string, authority: string): Cloud => ({ base, authority, audience: base })

/**
 * Every cloud by its name: `commercial` by its newer host, the regions that are nearer to some, and those of the US
 * government. The host of the vendor's older pages, `https://api.securitycenter.microsoft.com`, is the same service as
 * `commercial`: choose it as a base where it is wanted.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-list
 * @see https://learn.microsoft.com/en-us/defender-endpoint/gov
 * @since 0.1.0
 * @category clouds
 */
export const clouds = {
  commercial: region("https://api.security.microsoft.com"),
  us: region("https://us.api.security.microsoft.com"),
  eu: region("https://eu.api.security.microsoft.com"),
  uk: region("https://uk.api.security.microsoft.com"),
  au: region("https://au.api.security.microsoft.com"),
  swa: region("https://swa.api.security.microsoft.com"),
  ina: region("https://ina.api.security.microsoft.com"),
  gcc: government("https://api-gcc.securitycenter.microsoft.us", commercialAuthority),
  "gcc-high": government("https://api-gov.securitycenter.microsoft.us", "https://login.microsoftonline.us"),
  dod: government("https://api-gov.securitycenter.microsoft.us", "https://login.microsoftonline.us"),
} as const satisfies Record<string, Cloud>

/**
 * The name of a cloud.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Name = Schema.Literals([
  "commercial",
  "us",
  "eu",
  "uk",
  "au",
  "swa",
  "ina",
  "gcc",
  "gcc-high",
  "dod",
] satisfies ReadonlyArray<keyof typeof clouds>)

/**
 * @since 0.1.0
 * @category models
 */
export type Name = typeof Name.Type

/**
 * The commercial cloud: what is used where none is chosen.
 *
 * @since 0.1.0
 * @category clouds
 */
export const commercial: Cloud = clouds.commercial

/**
 * An address without the slashes at its end, so that a path can be appended, and so that one service has one name.
 *
 * @example
 * ```ts
 * import * as Cloud from "@live-response/core/Cloud"
 *
 * console.log(Cloud.withoutTrailingSlash("https://api.security.microsoft.com/")) // https://api.security.microsoft.com
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const withoutTrailingSlash = (url: string): string => withoutEnd(url, "/")

/**
 * The cloud that the environment chooses: `LIVE_RESPONSE_CLOUD` by its name, by default `commercial`; of which
 * `LIVE_RESPONSE_ENDPOINT` replaces the API's base, `AZURE_AUTHORITY_HOST` the sign-in server, and
 * `LIVE_RESPONSE_AUDIENCE` what tokens are asked for.
 *
 * @example
 * ```ts
 * import * as Cloud from "@live-response/core/Cloud"
 * import * as ConfigProvider from "effect/ConfigProvider"
 * import * as Effect from "effect/Effect"
 *
 * const chosen = Effect.provide(
 *   Cloud.config,
 *   ConfigProvider.layer(ConfigProvider.fromUnknown({ LIVE_RESPONSE_CLOUD: "gcc-high" })),
 * )
 * console.log(Effect.runSync(chosen).authority) // https://login.microsoftonline.us
 * ```
 *
 * @since 0.1.0
 * @category config
 */
export const config: Config.Config<Cloud> = Config.all({
  name: Config.schema(Name, "LIVE_RESPONSE_CLOUD").pipe(Config.withDefault("commercial")),
  base: Config.schema(Endpoint, "LIVE_RESPONSE_ENDPOINT").pipe(Config.option),
  authority: Config.schema(Endpoint, "AZURE_AUTHORITY_HOST").pipe(Config.option),
  audience: Config.schema(Audience, "LIVE_RESPONSE_AUDIENCE").pipe(Config.option),
}).pipe(
  Config.map(({ audience, authority, base, name }) => ({
    base: withoutTrailingSlash(Option.getOrElse(base, () => clouds[name].base)),
    authority: withoutTrailingSlash(Option.getOrElse(authority, () => clouds[name].authority)),
    audience: withoutTrailingSlash(Option.getOrElse(audience, () => clouds[name].audience)),
  })),
)
