/** What the environment says about signing in. */
import * as AccessToken from "@live-response/core/AccessToken"
import * as Cloud from "@live-response/core/Cloud"
import { CredentialError, Missing } from "@live-response/core/CredentialError"
import * as SecretFile from "@live-response/core/SecretFile"
import * as StoreError from "@live-response/core/StoreError"
import * as Variable from "@live-response/core/Variable"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as SignInKind from "./signInKind.ts"

const secret = (name: string) =>
  Config.map(Variable.optional(name), (text) => (text === undefined ? text : Redacted.make(text)))

export const config = Config.all({
  kind: Config.schema(SignInKind.Kind, "LIVE_RESPONSE_AUTH").pipe(Config.withDefault(undefined)),
  token: secret("LIVE_RESPONSE_TOKEN"),
  tokenFile: Variable.optional("LIVE_RESPONSE_TOKEN_FILE"),
  cloud: Cloud.config,
  tenantId: Variable.optional("AZURE_TENANT_ID"),
  clientId: Variable.optional("AZURE_CLIENT_ID"),
  clientSecret: secret("AZURE_CLIENT_SECRET"),
  clientSecretFile: Variable.optional("AZURE_CLIENT_SECRET_FILE"),
  certificatePath: Variable.optional("AZURE_CLIENT_CERTIFICATE_PATH"),
  certificatePassword: secret("AZURE_CLIENT_CERTIFICATE_PASSWORD"),
  sendChain: Config.Boolean("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN").pipe(Config.withDefault(false)),
  federatedTokenFile: Variable.optional("AZURE_FEDERATED_TOKEN_FILE"),
})

export type Settings = Config.Success<typeof config>

const missing = (description: string) => new CredentialError({ reason: new Missing({ description }) })

/** The values of variables that must be set, or an error that names those that are not. */
export const required = <A extends Readonly<Record<string, unknown>>>(
  variables: A,
): Effect.Effect<{ readonly [K in keyof A]: Exclude<A[K], undefined> }, CredentialError> => {
  const absent = Object.keys(variables).filter((name) => variables[name] === undefined)
  return isComplete(variables) ? Effect.succeed(variables) : Effect.fail(missing(`set ${absent.join(", ")}`))
}

const isComplete = <A extends Readonly<Record<string, unknown>>>(
  variables: A,
): variables is A & { readonly [K in keyof A]: Exclude<A[K], undefined> } =>
  Object.values(variables).every((value) => value !== undefined)

/** The secret of the app, from its variable or from its file. */
export const clientSecret = Effect.fnUntraced(function* (settings: Settings) {
  if (settings.clientSecret !== undefined) return settings.clientSecret
  const path = settings.clientSecretFile
  if (path === undefined) return undefined
  yield* SecretFile.warnIfShared(path)
  const text = yield* Effect.mapError(SecretFile.read(path), (error) =>
    missing(`can't read ${SecretFile.nameOf(path)} (${StoreError.describe(error)}); check AZURE_CLIENT_SECRET_FILE`),
  )
  return Redacted.make(text)
})

/** The app that Azure's own tools sign in with. */
const azureCliApp = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

const describeOwner = (tenant: string | undefined, app: string | undefined) =>
  `tenant ${tenant ?? "unknown"}, app ${app ?? "unknown"}`.toLowerCase()

/** The tenant and the app that the calls belong to, as far as is known before signing in. */
export const ownerOf = Effect.fnUntraced(function* (settings: Settings) {
  const kind = SignInKind.kindOf(settings)
  if (kind !== "token") return describeOwner(settings.tenantId, kind === "cli" ? azureCliApp : settings.clientId)
  const token = settings.tokenFile === undefined ? settings.token : yield* readToken(settings.tokenFile)
  const claims = Option.getOrUndefined(Option.flatMap(Option.fromNullishOr(token), AccessToken.claims))
  return describeOwner(claims?.tid, claims === undefined ? undefined : AccessToken.app(claims))
})

/** A file that can't be read fails when it is signed in with, and not here. */
const readToken = (path: string) =>
  SecretFile.read(path).pipe(
    Effect.map((text) => Redacted.make(text)),
    Effect.orElseSucceed(() => Redacted.make("")),
  )
