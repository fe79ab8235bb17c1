/**
 * Microsoft's clouds: the address of the Defender API, the sign-in server, and the audience of tokens.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import * as SecureUrl from "./internal/secureUrl.ts"
import { withoutEnd } from "./internal/text.ts"

/**
 * An address that a secret may be sent to: https, or plain http on this machine alone, without a user or a password. It may be a
 * secret itself, as that of a webhook is.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SecureAddress = Schema.String.check(Schema.makeFilter((input) => Option.isSome(SecureUrl.parse(input))))

/**
 * The address of an API or of a sign-in server.
 *
 * **Details**
 *
 * It is https, because a token is sent there; plain http is for this machine alone. It has no user and no password,
 * because it is shown in messages. An `@` anywhere may be the end of a password with a `/`, `?` or `#`, whose start would be the host
 * that gets the token.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Endpoint = Schema.String.check(
  Schema.makeFilter((input) => !/[@?#]/.test(input) && Option.isSome(SecureUrl.parse(input)), {
    expected:
      "an https URL without a user or a password, and without @, ? and # (plain http is for 127.0.0.1, [::1] and localhost alone)",
  }),
)

/** It is shown in messages as well. */
const Audience = Schema.NonEmptyString.check(
  Schema.isPattern(/^[^@]*$/, { expected: "a URI without a user or a password, and without @" }),
)

/**
 * One of Microsoft's clouds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cloud {
  /** Base of the API's addresses. */
  readonly base: string

  /** Base of the sign-in server's addresses. */
  readonly authority: string

  /** The audience of tokens. Their scope is this, followed by `/.default`. */
  readonly audience: string
}

const commercialAuthority = "https://login.microsoftonline.com"
const commercialAudience = "https://api.securitycenter.microsoft.com"

/** A region of the commercial cloud. */
const region = (base: string): Cloud => ({ base, authority: commercialAuthority, audience: commercialAudience })

const government = (base: string, authority: string): Cloud => ({ base, authority, audience: base })

/**
 * Every cloud by its name: `commercial`, its regions, and the clouds of the US government.
 *
 * **Details**
 *
 * Microsoft's older pages name the host `https://api.securitycenter.microsoft.com`, which is the same service as
 * `commercial`.
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
  aea: region("https://aea.api.security.microsoft.com"),
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
export const Name = Schema.Literals(Struct.keys(clouds))

/**
 * The name of a cloud.
 *
 * @since 0.1.0
 * @category models
 */
export type Name = typeof Name.Type

/**
 * The commercial cloud, which is the default.
 *
 * @since 0.1.0
 * @category clouds
 */
export const commercial: Cloud = clouds.commercial

/**
 * Removes the slashes at the end of an address, so that a path can be appended and one service has one name.
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
 * The base of the API's addresses. Microsoft's pages show them with `/api`, which each call adds: at the end of a base it is left out.
 *
 * @example
 * ```ts
 * import * as Cloud from "@live-response/core/Cloud"
 *
 * console.log(Cloud.apiBase("https://api.security.microsoft.com/api/")) // https://api.security.microsoft.com
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const apiBase = (url: string): string => withoutTrailingSlash(withoutTrailingSlash(url).replace(/\/api$/i, ""))

/**
 * The cloud that the environment chooses.
 *
 * **Details**
 *
 * `LIVE_RESPONSE_CLOUD` is the name of a cloud, by default `commercial`. `LIVE_RESPONSE_ENDPOINT` replaces the base of its
 * API, `AZURE_AUTHORITY_HOST` its sign-in server, and `LIVE_RESPONSE_AUDIENCE` its audience.
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
    base: apiBase(Option.getOrElse(base, () => clouds[name].base)),
    authority: withoutTrailingSlash(Option.getOrElse(authority, () => clouds[name].authority)),
    audience: withoutTrailingSlash(Option.getOrElse(audience, () => clouds[name].audience)),
  })),
)
