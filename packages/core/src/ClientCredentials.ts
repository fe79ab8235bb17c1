/**
 * Signs in as an app with its secret, over any `HttpClient`: for Deno, Bun and workers. On Node, `NodeCredential` has this
 * and every other way to sign in.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Struct from "effect/Struct"
import * as Cloud from "./Cloud.ts"
import * as Credential from "./Credential.ts"
import { CredentialError, fromEntra, Missing, Unreachable } from "./CredentialError.ts"
import * as Connection from "./internal/connectionFailure.ts"
import * as ForeignNumber from "./internal/foreignNumber.ts"
import * as EntraErrors from "./internal/entraErrors.ts"
import * as Http from "./internal/httpExchange.ts"
import { Timing } from "./Timing.ts"
import * as Variable from "./Variable.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  readonly tenantId: string
  readonly clientId: string
  readonly clientSecret: Redacted.Redacted<string>

  /** The sign-in server and the audience. By default those of the commercial cloud. */
  readonly cloud?: Pick<Cloud.Cloud, "authority" | "audience"> | undefined
}

const decodeToken = Schema.decodeUnknownOption(
  Schema.fromJsonString(
    Schema.Struct({
      access_token: Schema.NonEmptyString,
      // The older endpoint sends it as text.
      expires_in: Schema.Union([Schema.Finite, Schema.FiniteFromString]),
    }),
  ),
)

/** A token is some thousand bytes. */
const bodyLimit = 256 * 1024

/**
 * Creates the credential. Its tokens are cached and renewed as `Credential.make` does it.
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  options: Options,
): Effect.fn.Return<Credential.Service, never, HttpClient.HttpClient | Scope.Scope> {
  const client = yield* HttpClient.HttpClient
  const { headTimeout, stallTimeout } = yield* Timing
  const { audience, authority } = options.cloud ?? Cloud.commercial

  const request = (claims: string | undefined) =>
    Http.exchange(
      client,
      HttpClientRequest.post(`${authority}/${encodeURIComponent(options.tenantId)}/oauth2/v2.0/token`).pipe(
        HttpClientRequest.acceptJson,
        HttpClientRequest.bodyUrlParams({
          grant_type: "client_credentials",
          client_id: options.clientId,
          client_secret: Redacted.value(options.clientSecret),
          scope: `${audience}/.default`,
          ...(claims === undefined ? {} : { claims }),
        }),
      ),
      { headTimeout, bounds: { size: bodyLimit, stall: stallTimeout, total: headTimeout } },
    ).pipe(Effect.mapError(unreachable))

  const secrets = [options.clientSecret]

  return yield* Credential.make(({ claims }) =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const {
        body,
        response: { status },
      } = yield* request(claims)
      const issued = status === 200 ? decodeToken(body) : Option.none()
      if (Option.isSome(issued)) {
        // Its lifetime counts from the request, so that the time of the answer is not added to it.
        return {
          token: Redacted.make(issued.value.access_token),
          expires: now + ForeignNumber.lifetime(issued.value.expires_in),
        }
      }
      const refusal =
        status >= 400 && status < 500 && status !== 429 ? EntraErrors.decodeErrorAnswer(body) : Option.none()
      return yield* Option.match(refusal, {
        onNone: () => unreachable({ description: `HTTP ${status}`, ...(status === 407 ? { cause: "proxy" } : {}) }),
        onSome: ({ correlation_id, error, error_description }) =>
          fromEntra({ error, description: error_description, correlationId: correlation_id, secrets }),
      })
    }),
  )
})

const unreachable = (trouble: Connection.Trouble) =>
  new CredentialError({ reason: new Unreachable(Connection.fieldsOf(trouble)) })

/**
 * The credential as a layer.
 *
 * @example
 * ```ts
 * import * as ClientCredentials from "@live-response/core/ClientCredentials"
 * import * as Layer from "effect/Layer"
 * import * as FetchHttpClient from "effect/http/FetchHttpClient"
 * import * as Redacted from "effect/Redacted"
 *
 * export const signIn = ClientCredentials.layer({
 *   tenantId: "e0a8f26e-8b12-4ee4-9ac9-4a4ecb3d1b8f",
 *   clientId: "1f6a3c7a-6c2b-4f0e-b6b1-2c8f6d8f5c11",
 *   clientSecret: Redacted.make("…"),
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Credential.Credential, never, HttpClient.HttpClient> =>
  Layer.effect(Credential.Credential, make(options))

const app = Config.all({
  AZURE_TENANT_ID: Variable.optional("AZURE_TENANT_ID"),
  AZURE_CLIENT_ID: Variable.optional("AZURE_CLIENT_ID"),
  AZURE_CLIENT_SECRET: Variable.optional("AZURE_CLIENT_SECRET"),
})

/**
 * The credential from `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`, in the cloud of `Cloud.config`. Fails
 * with reason `Missing`, which names those that are not set.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<
  Credential.Credential,
  CredentialError | Config.ConfigError,
  HttpClient.HttpClient
> = Layer.unwrap(
  Effect.gen(function* () {
    const cloud = yield* Cloud.config
    const values = yield* app
    const { AZURE_CLIENT_ID: clientId, AZURE_CLIENT_SECRET: secret, AZURE_TENANT_ID: tenantId } = values
    if (tenantId === undefined || clientId === undefined || secret === undefined) {
      const unset = Struct.keys(values).filter((name) => values[name] === undefined)
      return yield* new CredentialError({ reason: new Missing({ description: `set ${unset.join(", ")}` }) })
    }
    return layer({ tenantId, clientId, clientSecret: Redacted.make(secret), cloud })
  }),
)
