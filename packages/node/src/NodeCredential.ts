/**
 * Signs in on Node: with a token, or in any way that `@azure/identity` has.
 *
 * @since 0.1.0
 */
import { Agent as HttpAgent } from "node:http"
import { Agent as HttpsAgent } from "node:https"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Cloud from "@live-response/core/Cloud"
import * as Credential from "@live-response/core/Credential"
import type { CredentialError } from "@live-response/core/CredentialError"
import * as SecretFile from "@live-response/core/SecretFile"
import type * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as AzureCredential from "./internal/azureCredential.ts"
import type { CommonOptions } from "./internal/azureOptions.ts"
import * as Proxy from "./internal/proxy.ts"
import * as SignInKind from "./internal/signInKind.ts"
import * as SignInSettings from "./internal/signInSettings.ts"
import { signInTimeout } from "./internal/signInTimeout.ts"
import { slowDownPolicy } from "./internal/slowDown.ts"

/**
 * The ways to sign in:
 *
 * - `token`: with a fixed bearer token
 * - `default`: with what the environment has, as `DefaultAzureCredential` searches it
 * - `secret`, `certificate`: as an app
 * - `managed-identity`, `workload-identity`: as a machine on Azure, or as a workload that Entra trusts
 * - `cli`: as the user or app that `az login` signed in
 * - `device-code`, `browser`: as a user who is present
 *
 * @since 0.1.0
 * @category schemas
 */
export const Kind = SignInKind.Kind

/**
 * A way to sign in.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = typeof Kind.Type

/**
 * The sign-in server, and the audience of tokens.
 *
 * @since 0.1.0
 * @category options
 */
export interface CloudOptions {
  /** By default the commercial cloud. */
  readonly cloud?: Pick<Cloud.Cloud, "authority" | "audience"> | undefined

  /** The next step in the error of an app or a managed identity that can't be used. By default it names the variables. */
  readonly advice?: string | undefined
}

/**
 * The app that signs in.
 *
 * @since 0.1.0
 * @category options
 */
export interface AppOptions extends CloudOptions {
  readonly tenantId: string
  readonly clientId: string
}

/**
 * The sign-in of a user.
 *
 * **Details**
 *
 * By default the tenant is that of the user's organization, and the app is that of Azure's own tools. Few tenants permit
 * that app to call this API.
 *
 * @since 0.1.0
 * @category options
 */
export interface UserOptions extends CloudOptions {
  readonly tenantId?: string | undefined
  readonly clientId?: string | undefined
}

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
export const layerClientSecret = ({
  advice,
  clientId,
  clientSecret,
  cloud,
  tenantId,
}: AppOptions & { readonly clientSecret: Redacted.Redacted<string> }): Layer.Layer<
  Credential.Credential,
  CredentialError
> =>
  AzureCredential.layer({
    advice,
    cloud,
    needs: {
      hint: "check AZURE_TENANT_ID and AZURE_CLIENT_ID",
      timeout: signInTimeout,
      secrets: [clientSecret],
    },
    create: ({ ClientSecretCredential }, common) =>
      new ClientSecretCredential(tenantId, clientId, Redacted.value(clientSecret), common),
  })

/**
 * Signs in as an app, with its certificate: a PEM file that has the certificate and its private key.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClientCertificate = (
  options: AppOptions & {
    readonly certificatePath: string
    /** The password of the private key, where it has one. */
    readonly password?: Redacted.Redacted<string> | undefined
    /** Sends the chain as well, for apps that trust an issuer. By default it does not. */
    readonly sendChain?: boolean | undefined
  },
): Layer.Layer<Credential.Credential, CredentialError> =>
  AzureCredential.layer({
    advice: options.advice,
    cloud: options.cloud,
    needs: {
      hint: `the certificate ${SecretFile.nameOf(options.certificatePath)} can't be used; check AZURE_CLIENT_CERTIFICATE_PATH and AZURE_CLIENT_CERTIFICATE_PASSWORD`,
      timeout: signInTimeout,
    },
    create: ({ ClientCertificateCredential }, common) =>
      new ClientCertificateCredential(
        options.tenantId,
        options.clientId,
        {
          certificatePath: options.certificatePath,
          ...(options.password === undefined ? {} : { certificatePassword: Redacted.value(options.password) }),
        },
        { ...common, sendCertificateChain: options.sendChain === true },
      ),
  })

/**
 * Signs in as the managed identity of the Azure machine that this runs on: the machine's own, or the one with this client
 * id.
 *
 * **Gotchas**
 *
 * Azure caches its token, so that a token that the API refused can't be replaced until it expires.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerManagedIdentity = ({
  advice,
  clientId,
  cloud,
}: CloudOptions & { readonly clientId?: string | undefined } = {}): Layer.Layer<
  Credential.Credential,
  CredentialError
> =>
  AzureCredential.layer({
    advice,
    cloud,
    needs: {
      hint: "there is no managed identity here; it is for machines of Azure, with AZURE_CLIENT_ID where it is user-assigned",
      isLocal: true,
      timeout: signInTimeout,
    },
    create: (identity, common) => managedIdentity(identity, common, clientId),
  })

/**
 * The connections to what gives a machine its identity: never those of a proxy, which would have the token. Only Service Fabric's is
 * over TLS.
 */
const agentOfIdentity = () =>
  process.env["IDENTITY_ENDPOINT"]?.startsWith("https:") === true ? new HttpsAgent() : new HttpAgent()

const managedIdentity = (
  { ManagedIdentityCredential }: AzureCredential.Identity,
  { additionalPolicies, proxyOptions, retryOptions }: CommonOptions,
  clientId: string | undefined,
) =>
  new ManagedIdentityCredential({
    additionalPolicies,
    retryOptions,
    agent: agentOfIdentity(),
    // They have no effect beside an agent. Without them `@azure/identity` would parse the variables itself.
    ...(proxyOptions === undefined ? {} : { proxyOptions }),
    ...(clientId === undefined ? {} : { clientId }),
  })

/** What the token of an identity is for that an app is to accept: each of the clouds has its own. */
const exchangeAudience = ({ authority }: Pick<Cloud.Cloud, "authority">) =>
  authority === Cloud.clouds["gcc-high"].authority ? "api://AzureADTokenExchangeUSGov" : "api://AzureADTokenExchange"

/**
 * Signs in as an app that trusts a managed identity of the Azure machine that this runs on: the machine's own, or the one with the
 * client id `identity`. The app may be of another tenant than the identity.
 *
 * @see https://learn.microsoft.com/en-us/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
 * @since 0.1.0
 * @category layers
 */
export const layerTrustedIdentity = ({
  advice,
  clientId,
  cloud = Cloud.commercial,
  identity,
  tenantId,
}: AppOptions & { readonly identity?: string | undefined }): Layer.Layer<Credential.Credential, CredentialError> =>
  AzureCredential.layer({
    advice,
    cloud,
    needs: {
      hint: "there is no managed identity here that the app trusts",
      timeout: signInTimeout,
    },
    create: (azure, common) => {
      const machine = managedIdentity(azure, common, identity)
      const assertion = () =>
        machine.getToken(`${exchangeAudience(cloud)}/.default`).then(
          ({ token }) => token,
          // An error of the machine's own network is not one of the sign-in server.
          (error: unknown) => Promise.reject(new Error(error instanceof Error ? error.message : String(error))),
        )
      return new azure.ClientAssertionCredential(tenantId, clientId, assertion, common)
    },
  })

/**
 * Signs in as an app, with the token of a cluster or a pipeline that Entra trusts. The file is read for each sign-in.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWorkloadIdentity = ({
  advice,
  clientId,
  cloud,
  tenantId,
  tokenFile,
}: AppOptions & { readonly tokenFile: string }): Layer.Layer<Credential.Credential, CredentialError> =>
  AzureCredential.layer({
    advice,
    cloud,
    needs: {
      hint: `can't sign in with ${SecretFile.nameOf(tokenFile)}; check AZURE_FEDERATED_TOKEN_FILE`,
      timeout: signInTimeout,
    },
    create: ({ WorkloadIdentityCredential }, common) =>
      new WorkloadIdentityCredential({ ...common, tenantId, clientId, tokenFilePath: tokenFile }),
  })

/**
 * Signs in as the user or app that `az login` signed in.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerAzureCli = (
  options: CloudOptions & { readonly tenantId?: string | undefined } = {},
): Layer.Layer<Credential.Credential, CredentialError> =>
  AzureCredential.layer({
    cloud: options.cloud,
    needs: { hint: "install the Azure CLI, and sign in with az login", isLocal: true },
    create: ({ AzureCliCredential }) => new AzureCliCredential({ processTimeoutInMs: 20_000, ...idsOf(options) }),
  })

/**
 * Shows a user the next step of a sign-in: Entra's sentence with the address and the code, or that a browser opens. By
 * default it writes to stderr.
 *
 * @since 0.1.0
 * @category references
 */
export const Prompt = Context.Reference<(message: string) => Effect.Effect<void>>(
  "@live-response/node/NodeCredential/Prompt",
  { defaultValue: () => (message) => Console.error(message) },
)

/** The prompt as a callback: the credentials of `@azure/identity` do not know effects. */
const withPrompt = (
  use: (prompt: (message: string) => void) => Layer.Layer<Credential.Credential, CredentialError>,
): Layer.Layer<Credential.Credential, CredentialError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const prompt = yield* Prompt
      const run = Effect.runForkWith(yield* Effect.context<never>())
      return use((message) => void run(prompt(message)))
    }),
  )

/**
 * Signs in a user by a code that is typed into a browser on any machine. {@link Prompt} shows the code.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDeviceCode = (options: UserOptions = {}): Layer.Layer<Credential.Credential, CredentialError> =>
  withPrompt((prompt) =>
    AzureCredential.layer({
      cloud: options.cloud,
      needs: { hint: "the sign-in by a device code was not completed; try again" },
      create: ({ DeviceCodeCredential }, common) =>
        new DeviceCodeCredential({
          ...common,
          ...idsOf(options),
          additionalPolicies: [...common.additionalPolicies, { policy: slowDownPolicy(), position: "perCall" }],
          // Where Entra gives no code there is nothing to show, and the refusal follows.
          userPromptCallback: ({ message }) => (message ? prompt(message) : undefined),
        }),
      afterRefusal: AzureCredential.sameUser,
    }),
  )

/**
 * Signs in a user in the browser of this machine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBrowser = (options: UserOptions = {}): Layer.Layer<Credential.Credential, CredentialError> =>
  withPrompt((prompt) =>
    AzureCredential.layer({
      cloud: options.cloud,
      needs: { hint: "the sign-in in a browser was not completed; where there is no browser, use a device code" },
      create: ({ InteractiveBrowserCredential }, common) => {
        const credential = new InteractiveBrowserCredential({ ...common, ...idsOf(options) })
        return {
          getToken: (scopes, options) => {
            prompt("A browser opens for the sign-in. Where there is none, use a device code.")
            return credential.getToken(scopes, options)
          },
        }
      },
      afterRefusal: AzureCredential.sameUser,
    }),
  )

const idsOf = ({ clientId, tenantId }: UserOptions) => ({
  ...(tenantId === undefined ? {} : { tenantId }),
  ...(clientId === undefined ? {} : { clientId }),
})

/**
 * Signs in with what `DefaultAzureCredential` finds: the environment, a managed identity, or a tool of a developer.
 *
 * **Gotchas**
 *
 * It reads the environment of the process itself, and signs in when the layer is built: only that shows whether there is a
 * credential. Where a proxy is set, it asks for a managed identity through it, unless `NO_PROXY` names the host:
 * {@link layerManagedIdentity} never does.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDefault = (options: CloudOptions = {}): Layer.Layer<Credential.Credential, CredentialError> =>
  AzureCredential.layer({
    cloud: options.cloud,
    needs: { isLocal: true, timeout: Duration.times(signInTimeout, 2) },
    create: ({ DefaultAzureCredential }, common) => new DefaultAzureCredential(common),
  }).pipe(Layer.tap((context) => Context.get(context, Credential.Credential).token))

/** The layer of the way that the environment chooses. */
const layerOf = Effect.fnUntraced(function* (settings: SignInSettings.Settings) {
  const { clientId, cloud, tenantId } = settings
  switch (SignInKind.kindOf(settings)) {
    case "token":
      return yield* tokenLayer(settings)
    case "default":
      return layerDefault({ cloud })
    case "secret":
    case "certificate":
    case "workload-identity":
      return yield* appLayer(settings)
    case "managed-identity":
      return layerManagedIdentity({ cloud, clientId })
    case "cli":
      return layerAzureCli({ cloud, tenantId })
    case "device-code":
      return layerDeviceCode({ cloud, tenantId, clientId })
    case "browser":
      return layerBrowser({ cloud, tenantId, clientId })
  }
})

const tokenLayer = Effect.fnUntraced(function* ({ token, tokenFile }: SignInSettings.Settings) {
  if (tokenFile !== undefined) return Credential.layerTokenFile(tokenFile)
  const variables = yield* SignInSettings.required({ LIVE_RESPONSE_TOKEN: token })
  return Credential.layerToken(variables.LIVE_RESPONSE_TOKEN)
})

const appLayer = Effect.fnUntraced(function* (settings: SignInSettings.Settings) {
  const { certificatePassword: password, cloud, sendChain } = settings
  const ids = { AZURE_TENANT_ID: settings.tenantId, AZURE_CLIENT_ID: settings.clientId }
  switch (SignInKind.kindOf(settings)) {
    case "certificate": {
      const path = { AZURE_CLIENT_CERTIFICATE_PATH: settings.certificatePath }
      const app = yield* SignInSettings.required({ ...ids, ...path })
      const certificatePath = app.AZURE_CLIENT_CERTIFICATE_PATH
      yield* SecretFile.warnIfShared(certificatePath)
      return layerClientCertificate({ ...appOf(app, cloud), certificatePath, password, sendChain })
    }
    case "workload-identity": {
      const file = { AZURE_FEDERATED_TOKEN_FILE: settings.federatedTokenFile }
      const app = yield* SignInSettings.required({ ...ids, ...file })
      return layerWorkloadIdentity({ ...appOf(app, cloud), tokenFile: app.AZURE_FEDERATED_TOKEN_FILE })
    }
    default: {
      const secret = { AZURE_CLIENT_SECRET: yield* SignInSettings.clientSecret(settings) }
      const app = yield* SignInSettings.required({ ...ids, ...secret })
      return layerClientSecret({ ...appOf(app, cloud), clientSecret: app.AZURE_CLIENT_SECRET })
    }
  }
})

const appOf = (
  ids: { readonly AZURE_TENANT_ID: string; readonly AZURE_CLIENT_ID: string },
  cloud: Cloud.Cloud,
): AppOptions => ({ cloud, tenantId: ids.AZURE_TENANT_ID, clientId: ids.AZURE_CLIENT_ID })

/**
 * Signs in as the environment says.
 *
 * **Details**
 *
 * `LIVE_RESPONSE_AUTH` is the {@link Kind}. Without it `LIVE_RESPONSE_TOKEN_FILE` (a file with a bearer token) or
 * `LIVE_RESPONSE_TOKEN` (a bearer token) is used; else the `AZURE_*` variables decide, as for every tool of Azure, with the
 * secret also from `AZURE_CLIENT_SECRET_FILE`; else `DefaultAzureCredential` searches further. The cloud is that of
 * `Cloud.config`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Credential.Credential, CredentialError | Config.ConfigError> = Layer.unwrap(
  // A proxy that can't be parsed is a mistake in the environment, and not a missing credential.
  Effect.flatMap(
    Effect.tap(SignInSettings.config, () => Proxy.variables),
    layerOf,
  ),
).pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))

/**
 * The tenant and the app that the calls of {@link layerConfig} belong to, as far as the environment says without a sign-in.
 *
 * **Details**
 *
 * They come from the claims of a token, or from `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`. Each owner has a quota of its own;
 * all unknown owners share one.
 *
 * @since 0.1.0
 * @category options
 */
export const owner: Effect.Effect<string, Config.ConfigError> = Effect.flatMap(
  SignInSettings.config,
  SignInSettings.ownerOf,
).pipe(Effect.provide(NodeFileSystem.layer))
