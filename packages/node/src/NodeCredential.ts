/**
 * Signing in with `@azure/identity`, which is loaded only when it is used.
 *
 * @since 0.1.0
 */
import * as AccessToken from "@live-response/core/AccessToken"
import * as Cloud from "@live-response/core/Cloud"
import * as Credential from "@live-response/core/Credential"
import { CredentialError, Missing, Refused, Unreachable } from "@live-response/core/CredentialError"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"

/**
 * @since 0.1.0
 * @category options
 */
export interface ClientSecretOptions {
  readonly tenantId: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted<string>

  /** Where to sign in. By default the commercial cloud's server. */
  readonly authority?: string | undefined

  /** What the token is for. By default the commercial cloud's API. */
  readonly audience?: string | undefined
}

/** The vendor's own servers; any other has no directory of servers to be looked up in. */
const knownAuthorities = new Set(["https://login.microsoftonline.com", "https://login.microsoftonline.us"])

/**
 * Signs in as an app, with its secret.
 *
 * @example
 * ```ts
 * import * as NodeCredential from "@live-response/node/NodeCredential"
 * import * as Redacted from "effect/Redacted"
 *
 * export const signIn = NodeCredential.layerClientSecret({
 *   tenantId: "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f",
 *   clientId: "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11",
 *   clientSecret: Redacted.make("…"),
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClientSecret = (options: ClientSecretOptions): Layer.Layer<Credential.Credential> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { ClientSecretCredential } = yield* Effect.promise(() => import("@azure/identity"))
      const authority = (options.authority ?? Cloud.commercial.authority).replace(/\/+$/, "")
      const credential = new ClientSecretCredential(
        options.tenantId,
        options.clientId,
        Redacted.value(options.clientSecret),
        { authorityHost: authority, disableInstanceDiscovery: !knownAuthorities.has(authority) },
      )
      return Credential.layerTokenCredential({
        credential,
        scope: `${options.audience ?? Cloud.commercial.audience}/.default`,
        onError: toCredentialError,
      })
    }),
  )

/** Branches on what Entra says, and shows its own first sentence and its correlation id. */
const toCredentialError = (cause: unknown): CredentialError => {
  const answer = Predicate.hasProperty(cause, "errorResponse") ? cause.errorResponse : undefined
  if (Predicate.hasProperty(answer, "errorDescription") && Predicate.isString(answer.errorDescription)) {
    const sentence = answer.errorDescription.split(/(?<=\.) |\r?\n/, 1).join()
    const id = Predicate.hasProperty(answer, "correlationId") ? answer.correlationId : undefined
    return new CredentialError({
      reason: new Refused({ description: id === undefined ? sentence : `${sentence} (correlation id ${String(id)})` }),
    })
  }
  const description = (cause instanceof Error ? cause.message : String(cause)).split("\n", 1).join()
  return /AADSTS/.test(description)
    ? new CredentialError({ reason: new Refused({ description }) })
    : new CredentialError({ reason: new Unreachable({ description }) })
}

const azure = Config.all({
  tenantId: Config.String("AZURE_TENANT_ID"),
  clientId: Config.String("AZURE_CLIENT_ID"),
  clientSecret: Config.Redacted("AZURE_CLIENT_SECRET"),
  authority: Config.String("AZURE_AUTHORITY_HOST").pipe(Config.withDefault(undefined)),
})

/**
 * Signs in with what the environment has: `LIVE_RESPONSE_TOKEN`, a bearer token as it is; else `AZURE_TENANT_ID`,
 * `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`, with `AZURE_AUTHORITY_HOST` where it is set. Fails with reason `Missing`
 * where there is neither.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Credential.Credential, CredentialError> = Layer.unwrap(
  Effect.gen(function* () {
    const token = yield* Config.option(Config.Redacted("LIVE_RESPONSE_TOKEN"))
    if (Option.isSome(token)) return Credential.layerToken(token.value)
    return layerClientSecret(yield* azure)
  }).pipe(Effect.mapError(() => new CredentialError({ reason: new Missing() }))),
)

/**
 * Whose calls those of {@link layerConfig} are, as far as the environment tells without signing in: tenant and app, from
 * the claims of `LIVE_RESPONSE_TOKEN` or from `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`. A quota is kept for each of them
 * apart; all of whom nothing is known share one.
 *
 * @since 0.1.0
 * @category options
 */
export const owner: Config.Config<string> = Config.all({
  token: Config.Redacted("LIVE_RESPONSE_TOKEN").pipe(Config.option),
  tenantId: Config.String("AZURE_TENANT_ID").pipe(Config.withDefault(undefined)),
  clientId: Config.String("AZURE_CLIENT_ID").pipe(Config.withDefault(undefined)),
}).pipe(
  Config.map(({ clientId, tenantId, token }) => {
    const claims = Option.getOrUndefined(Option.flatMap(token, AccessToken.claims))
    const [tenant, app] = Option.isSome(token) ? [claims?.tid, claims?.appid ?? claims?.azp] : [tenantId, clientId]
    return `tenant ${tenant ?? "unknown"}, app ${app ?? "unknown"}`.toLowerCase()
  }),
)
