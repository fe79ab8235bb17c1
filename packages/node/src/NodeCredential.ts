/**
 * Signing in on Node: every way that `@azure/identity` has, which is loaded only when it is used.
 *
 * @since 0.1.0
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as AccessToken from "@live-response/core/AccessToken"
import * as Cloud from "@live-response/core/Cloud"
import * as Credential from "@live-response/core/Credential"
import { CredentialError, Missing } from "@live-response/core/CredentialError"
import * as SecretFile from "@live-response/core/SecretFile"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type Needs, toCredentialError } from "./internal/azureError.ts"
import { type CommonOptions, commonOptions } from "./internal/azureOptions.ts"
import { inTime } from "./internal/inTime.ts"
import { lastConnection } from "./internal/lastConnection.ts"
import * as Proxy from "./internal/proxy.ts"
import { slowDownPolicy } from "./internal/slowDown.ts"
import * as NodeEnvironment from "./NodeEnvironment.ts"

/**
 * The ways to sign in:
 *
 * - `token`: with a bearer token as it is
 * - `default`: whatever the environment has, as `DefaultAzureCredential` looks for it
 * - `secret`, `certificate`: as an app
 * - `managed-identity`, `workload-identity`: as what runs on Azure, or in a cluster that Entra trusts
 * - `cli`: as whoever is signed in with `az login`
 * - `device-code`, `browser`: as a user who is there
 *
 * @since 0.1.0
 * @category schemas
 */
export const Kind = Schema.Literals([
  "token",
  "default",
  "secret",
  "certificate",
  "managed-identity",
  "workload-identity",
  "cli",
  "device-code",
  "browser",
])

/**
 * @since 0.1.0
 * @category models
 */
export type Kind = typeof Kind.Type

/**
 * Where to sign in, and for what.
 *
 * @since 0.1.0
 * @category options
 */
export interface CloudOptions {
  /** By default the commercial cloud. */
  readonly cloud?: Pick<Cloud.Cloud, "authority" | "audience"> | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export interface AppOptions extends CloudOptions {
  readonly tenantId: string
  readonly clientId: string
}

/**
 * A user's sign-in. Without a tenant it is that of the user's organization, without an app that of Azure's own tools,
 * which few tenants let near this API.
 *
 * @since 0.1.0
 * @category options
 */
export interface UserOptions extends CloudOptions {
  readonly tenantId?: string | undefined
  readonly clientId?: string | undefined
}

const loadIdentity = Effect.promise(() => import("@azure/identity"))

type Identity = Effect.Success<typeof loadIdentity>

/** How long one sign-in may take that asks nobody. */
const patience = Duration.seconds(10)

/** A credential of `@azure/identity`; `needs` tells what to do for whoever does not have what it takes. */
const fromAzure = (
  { cloud = Cloud.commercial }: CloudOptions,
  needs: Needs,
  create: (identity: Identity, options: CommonOptions) => Credential.TokenCredential,
  /** What is used once a token was refused: by default another credential, for one keeps its tokens. */
  afterRefusal?: (first: Credential.TokenCredential) => Credential.TokenCredential,
): Layer.Layer<Credential.Credential, CredentialError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const identity = yield* loadIdentity
      const proxies = yield* Effect.mapError(Proxy.variables, ({ message }) => missing(message))
      const inEnvironment = yield* Effect.mapError(NodeEnvironment.secrets, ({ message }) => missing(message))
      const connection = lastConnection()
      // A program that signs in has the environment as well, and may write it into its error.
      const secrets = [...(needs.secrets ?? []), ...inEnvironment]
      const onError = toCredentialError({ ...needs, secrets }, connection.error)
      const authority = Cloud.withoutTrailingSlash(cloud.authority)
      const createOne = () => {
        const credential = create(identity, commonOptions(authority, Proxy.ofSignIn(proxies), connection.policy))
        return needs.patience === undefined ? credential : inTime(credential, needs.patience)
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

/** A user need not sign in again: claims, even none, make it get another token for the same user. */
const sameUser = (first: Credential.TokenCredential): Credential.TokenCredential => ({
  getToken: (scopes, options) => first.getToken(scopes, { claims: '{"access_token":{}}', ...options }),
})

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
export const layerClientSecret = (
  options: AppOptions & { readonly clientSecret: Redacted.Redacted<string> },
): Layer.Layer<Credential.Credential, CredentialError> =>
  fromAzure(
    options,
    { hint: "check AZURE_TENANT_ID and AZURE_CLIENT_ID", patience, secrets: [options.clientSecret] },
    ({ ClientSecretCredential }, common) =>
      new ClientSecretCredential(options.tenantId, options.clientId, Redacted.value(options.clientSecret), common),
  )

/**
 * Signs in as an app, with its certificate: a PEM file that holds the certificate and its private key.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClientCertificate = (
  options: AppOptions & {
    readonly certificatePath: string
    /** Of the private key, where it has one. */
    readonly password?: Redacted.Redacted<string> | undefined
    /** Sends the chain as well, for apps that trust an issuer. By default it does not. */
    readonly sendChain?: boolean | undefined
  },
): Layer.Layer<Credential.Credential, CredentialError> =>
  fromAzure(
    options,
    {
      hint: `the certificate ${options.certificatePath} can't be used; check AZURE_CLIENT_CERTIFICATE_PATH and AZURE_CLIENT_CERTIFICATE_PASSWORD`,
      patience,
    },
    ({ ClientCertificateCredential }, common) =>
      new ClientCertificateCredential(
        options.tenantId,
        options.clientId,
        {
          certificatePath: options.certificatePath,
          ...(options.password === undefined ? {} : { certificatePassword: Redacted.value(options.password) }),
        },
        { ...common, sendCertificateChain: options.sendChain === true },
      ),
  )

/**
 * Signs in as the identity of the Azure machine that this runs on: the machine's own, or the one with this client id.
 * Where the API refuses its token there is no other until that one expires, for Azure keeps it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerManagedIdentity = (
  options: CloudOptions & { readonly clientId?: string | undefined } = {},
): Layer.Layer<Credential.Credential, CredentialError> =>
  fromAzure(
    options,
    {
      hint: "there is no managed identity here; it is for machines of Azure, with AZURE_CLIENT_ID where it is user-assigned",
      isLocal: true,
      patience,
    },
    ({ ManagedIdentityCredential }, { additionalPolicies, proxyOptions, retryOptions }) =>
      new ManagedIdentityCredential({
        additionalPolicies,
        retryOptions,
        ...(proxyOptions === undefined ? {} : { proxyOptions }),
        ...(options.clientId === undefined ? {} : { clientId: options.clientId }),
      }),
  )

/**
 * Signs in as an app, with a token of a cluster or a pipeline that Entra trusts. The file is read again for each sign-in.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerWorkloadIdentity = (
  options: AppOptions & { readonly tokenFile: string },
): Layer.Layer<Credential.Credential, CredentialError> =>
  fromAzure(
    options,
    { hint: `can't sign in with ${options.tokenFile}; check AZURE_FEDERATED_TOKEN_FILE`, patience },
    ({ WorkloadIdentityCredential }, common) =>
      new WorkloadIdentityCredential({
        ...common,
        tenantId: options.tenantId,
        clientId: options.clientId,
        tokenFilePath: options.tokenFile,
      }),
  )

/**
 * Signs in as whoever is signed in with `az login`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerAzureCli = (
  options: CloudOptions & { readonly tenantId?: string | undefined } = {},
): Layer.Layer<Credential.Credential, CredentialError> =>
  fromAzure(
    options,
    { hint: "install the Azure CLI, and sign in with az login", isLocal: true },
    ({ AzureCliCredential }) => new AzureCliCredential({ processTimeoutInMs: 20_000, ...ids(options) }),
  )

/**
 * How a user who is to sign in is told what to do: the sentence with the address and the code that Entra writes, or that a
 * browser opens. By default it goes to stderr.
 *
 * @since 0.1.0
 * @category references
 */
export const Prompt = Context.Reference<(message: string) => Effect.Effect<void>>(
  "@live-response/node/NodeCredential/Prompt",
  { defaultValue: () => (message) => Console.error(message) },
)

/** For the callbacks of a credential, which know nothing of effects. */
const prompting = (
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
 * Signs in a user by a code, which is typed into a browser on any machine. {@link Prompt} asks for it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDeviceCode = (options: UserOptions = {}): Layer.Layer<Credential.Credential, CredentialError> =>
  prompting((prompt) =>
    fromAzure(
      options,
      { hint: "the sign-in by a device code did not end; try again" },
      ({ DeviceCodeCredential }, common) =>
        new DeviceCodeCredential({
          ...common,
          ...ids(options),
          additionalPolicies: [...common.additionalPolicies, { policy: slowDownPolicy(), position: "perCall" }],
          // Where Entra gives no code there is nothing to say, and the refusal follows.
          userPromptCallback: ({ message }) => (message ? prompt(message) : undefined),
        }),
      sameUser,
    ),
  )

/**
 * Signs in a user in the browser of this machine.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBrowser = (options: UserOptions = {}): Layer.Layer<Credential.Credential, CredentialError> =>
  prompting((prompt) =>
    fromAzure(
      options,
      { hint: "the sign-in in a browser did not end; where there is no browser, use a device code" },
      ({ InteractiveBrowserCredential }, common) => {
        const credential = new InteractiveBrowserCredential({ ...common, ...ids(options) })
        return {
          getToken: (scopes, options) => {
            prompt("A browser opens for the sign-in. Where there is none, use a device code.")
            return credential.getToken(scopes, options)
          },
        }
      },
      sameUser,
    ),
  )

const ids = (options: UserOptions) => ({
  ...(options.tenantId === undefined ? {} : { tenantId: options.tenantId }),
  ...(options.clientId === undefined ? {} : { clientId: options.clientId }),
})

/**
 * Signs in with whatever `DefaultAzureCredential` finds: the environment, an identity of Azure, a tool of a developer. It
 * reads the process's own environment, and signs in at once: whether there is anything is not known before.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDefault = (options: CloudOptions = {}): Layer.Layer<Credential.Credential, CredentialError> =>
  fromAzure(
    options,
    { isLocal: true, patience: Duration.times(patience, 2) },
    ({ DefaultAzureCredential }, common) => new DefaultAzureCredential(common),
  ).pipe(Layer.tap((context) => Context.get(context, Credential.Credential).token))

/** An empty variable is none, as Azure's own tools see it. */
const optional = (name: string) =>
  Config.String(name).pipe(
    Config.withDefault(""),
    Config.map((text) => (text === "" ? undefined : text)),
  )

const secret = (name: string) => Config.map(optional(name), (text) => (text === undefined ? text : Redacted.make(text)))

const settings = Config.all({
  kind: Config.schema(Kind, "LIVE_RESPONSE_AUTH").pipe(Config.withDefault(undefined)),
  token: secret("LIVE_RESPONSE_TOKEN"),
  tokenFile: optional("LIVE_RESPONSE_TOKEN_FILE"),
  cloud: Cloud.config,
  tenantId: optional("AZURE_TENANT_ID"),
  clientId: optional("AZURE_CLIENT_ID"),
  clientSecret: secret("AZURE_CLIENT_SECRET"),
  clientSecretFile: optional("AZURE_CLIENT_SECRET_FILE"),
  certificatePath: optional("AZURE_CLIENT_CERTIFICATE_PATH"),
  certificatePassword: secret("AZURE_CLIENT_CERTIFICATE_PASSWORD"),
  sendChain: Config.Boolean("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN").pipe(Config.withDefault(false)),
  federatedTokenFile: optional("AZURE_FEDERATED_TOKEN_FILE"),
})

type Settings = Config.Success<typeof settings>

const missing = (description: string) => new CredentialError({ reason: new Missing({ description }) })

/** What a kind needs of the environment, or which of it is missing. */
const required = <A extends Readonly<Record<string, unknown>>>(
  variables: A,
): Effect.Effect<{ readonly [K in keyof A]: Exclude<A[K], undefined> }, CredentialError> => {
  const absent = Object.keys(variables).filter((name) => variables[name] === undefined)
  return isComplete(variables) ? Effect.succeed(variables) : Effect.fail(missing(`set ${absent.join(", ")}`))
}

const isComplete = <A extends Readonly<Record<string, unknown>>>(
  variables: A,
): variables is A & { readonly [K in keyof A]: Exclude<A[K], undefined> } =>
  Object.values(variables).every((value) => value !== undefined)

/** The kind that the environment means where none is chosen: what it holds a secret for. */
const kindOf = (settings: Settings): Kind => {
  if (settings.kind !== undefined && settings.kind !== "default") return settings.kind
  if (settings.kind === undefined && (settings.token ?? settings.tokenFile) !== undefined) return "token"
  if (settings.clientSecret !== undefined || settings.clientSecretFile !== undefined) return "secret"
  if (settings.certificatePath !== undefined) return "certificate"
  return settings.federatedTokenFile === undefined ? "default" : "workload-identity"
}

const readSecret = Effect.fnUntraced(function* (settings: Settings) {
  if (settings.clientSecret !== undefined) return settings.clientSecret
  const path = settings.clientSecretFile
  if (path === undefined) return undefined
  yield* SecretFile.warnIfShared(path)
  const text = yield* Effect.mapError(SecretFile.read(path), (error) =>
    missing(`can't read ${path} (${error.reason._tag}); check AZURE_CLIENT_SECRET_FILE`),
  )
  return Redacted.make(text)
})

const layerOf = Effect.fnUntraced(function* (settings: Settings) {
  const { certificatePassword: password, clientId, cloud, sendChain, tenantId } = settings
  const ids = { AZURE_TENANT_ID: tenantId, AZURE_CLIENT_ID: clientId }
  switch (kindOf(settings)) {
    case "token": {
      if (settings.tokenFile !== undefined) return Credential.layerTokenFile(settings.tokenFile)
      const { LIVE_RESPONSE_TOKEN: token } = yield* required({ LIVE_RESPONSE_TOKEN: settings.token })
      return Credential.layerToken(token)
    }
    case "default":
      return layerDefault({ cloud })
    case "secret": {
      const app = yield* required({ ...ids, AZURE_CLIENT_SECRET: yield* readSecret(settings) })
      return layerClientSecret({ ...appOf(app, cloud), clientSecret: app.AZURE_CLIENT_SECRET })
    }
    case "certificate": {
      const app = yield* required({ ...ids, AZURE_CLIENT_CERTIFICATE_PATH: settings.certificatePath })
      const certificatePath = app.AZURE_CLIENT_CERTIFICATE_PATH
      yield* SecretFile.warnIfShared(certificatePath)
      return layerClientCertificate({ ...appOf(app, cloud), certificatePath, password, sendChain })
    }
    case "managed-identity":
      return layerManagedIdentity({ cloud, clientId })
    case "workload-identity": {
      const app = yield* required({ ...ids, AZURE_FEDERATED_TOKEN_FILE: settings.federatedTokenFile })
      return layerWorkloadIdentity({ ...appOf(app, cloud), tokenFile: app.AZURE_FEDERATED_TOKEN_FILE })
    }
    case "cli":
      return layerAzureCli({ cloud, tenantId })
    case "device-code":
      return layerDeviceCode({ cloud, tenantId, clientId })
    case "browser":
      return layerBrowser({ cloud, tenantId, clientId })
  }
})

const appOf = (
  ids: { readonly AZURE_TENANT_ID: string; readonly AZURE_CLIENT_ID: string },
  cloud: Cloud.Cloud,
): AppOptions => ({ cloud, tenantId: ids.AZURE_TENANT_ID, clientId: ids.AZURE_CLIENT_ID })

/**
 * Signs in as the environment says. `LIVE_RESPONSE_AUTH` is the {@link Kind}. Without it
 * `LIVE_RESPONSE_TOKEN_FILE` is a file that holds a bearer token, and `LIVE_RESPONSE_TOKEN` one as it is; else the `AZURE_*` variables say which kind it is,
 * as they do for every tool of Azure, with the secret also from `AZURE_CLIENT_SECRET_FILE`; and where they do not,
 * `DefaultAzureCredential` looks further. The cloud is that of `Cloud.config`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Credential.Credential, CredentialError | Config.ConfigError> = Layer.unwrap(
  // A proxy that is none is a mistake in the environment, and not a credential that is missing.
  Effect.flatMap(
    Effect.tap(settings, () => Proxy.variables),
    layerOf,
  ),
).pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))

/** The app by which Azure's own tools sign in. */
const azureCliApp = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

const ownerOf = (tenant: string | undefined, app: string | undefined) =>
  `tenant ${tenant ?? "unknown"}, app ${app ?? "unknown"}`.toLowerCase()

/**
 * Whose calls those of {@link layerConfig} are, as far as the environment tells without signing in: tenant and app, from
 * the claims of a token, or from `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`. A quota is kept for each of them apart; all of
 * whom nothing is known share one.
 *
 * @since 0.1.0
 * @category options
 */
export const owner: Effect.Effect<string, Config.ConfigError> = Effect.gen(function* () {
  const chosen = yield* settings
  const kind = kindOf(chosen)
  if (kind !== "token") return ownerOf(chosen.tenantId, kind === "cli" ? azureCliApp : chosen.clientId)
  const token = chosen.tokenFile === undefined ? chosen.token : yield* readToken(chosen.tokenFile)
  const claims = Option.getOrUndefined(Option.flatMap(Option.fromNullishOr(token), AccessToken.claims))
  return ownerOf(claims?.tid, claims === undefined ? undefined : AccessToken.app(claims))
}).pipe(Effect.provide(NodeFileSystem.layer))

/** A file that can't be read says so when it is signed in with. */
const readToken = (path: string) =>
  SecretFile.read(path).pipe(
    Effect.map((text) => Redacted.make(text)),
    Effect.orElseSucceed(() => Redacted.make("")),
  )
