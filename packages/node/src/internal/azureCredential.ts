/** Credentials of `@azure/identity`, which is loaded only when one is used. */
import * as Cloud from "@live-response/core/Cloud"
import * as Credential from "@live-response/core/Credential"
import { CredentialError, Missing } from "@live-response/core/CredentialError"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeEnvironment from "../NodeEnvironment.ts"
import { type Needs, toCredentialError } from "./azureError.ts"
import { type CommonOptions, commonOptions } from "./azureOptions.ts"
import { lastConnection } from "./lastConnection.ts"
import * as OptionalPackage from "./optionalPackage.ts"
import * as Proxy from "./proxy.ts"
import { withTimeout } from "./signInTimeout.ts"

const loadIdentity = OptionalPackage.load("@azure/identity", () => import("@azure/identity"))

export type Identity = Effect.Success<typeof loadIdentity>

export interface Options {
  /** By default the commercial cloud. */
  readonly cloud?: Pick<Cloud.Cloud, "authority" | "audience"> | undefined
  readonly needs: Needs
  /** The next step where something of `needs` is missing or wrong, in place of its hint, which names variables. */
  readonly advice?: string | undefined
  readonly create: (identity: Identity, options: CommonOptions) => Credential.TokenCredential
  /** The credential to use once the API refused a token. By default a new one, because each one caches its tokens. */
  readonly afterRefusal?: (first: Credential.TokenCredential) => Credential.TokenCredential
}

const missing = (description: string) => new CredentialError({ reason: new Missing({ description }) })

const orMissing = Effect.mapError(({ message }: Config.ConfigError) => missing(message))

const notInstalled = ({ advice, message }: OptionalPackage.NotInstalled) => missing(`${message}; ${advice}`)

export const layer = ({
  advice,
  afterRefusal,
  cloud = Cloud.commercial,
  create,
  needs,
}: Options): Layer.Layer<Credential.Credential, CredentialError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const identity = yield* Effect.mapError(loadIdentity, notInstalled)
      const proxies = yield* orMissing(Proxy.variables)
      const inherited = yield* orMissing(NodeEnvironment.secrets)
      const connection = lastConnection()
      // A program that signs in inherits the environment, and may write it into its error.
      const secrets = [...(needs.secrets ?? []), ...inherited]
      const onError = toCredentialError(
        { ...needs, ...(advice === undefined ? {} : { hint: advice }), secrets },
        connection.error,
      )
      const authority = Cloud.withoutTrailingSlash(cloud.authority)
      const createOne = () => {
        const credential = create(identity, commonOptions(authority, Proxy.ofSignIn(proxies), connection.policy))
        return needs.timeout === undefined ? credential : withTimeout(credential, needs.timeout)
      }
      const credential = yield* Effect.try({ try: createOne, catch: onError })
      return Credential.layerTokenCredential({
        credential,
        scope: `${cloud.audience}/.default`,
        onError,
        afterRefusal: () => afterRefusal?.(credential) ?? createOne(),
      })
    }),
  )

/** A user need not sign in again: with claims, even none, the credential requests a new token for the same user. */
export const sameUser = (first: Credential.TokenCredential): Credential.TokenCredential => ({
  getToken: (scopes, options) => first.getToken(scopes, { claims: '{"access_token":{}}', ...options }),
})
