/**
 * The object store of a URL, with credentials from the environment: a secret, a file, or the identity of the machine.
 *
 * @since 0.1.0
 */
import * as NodePath from "@effect/platform-node/NodePath"
import type { Keys } from "@live-response/core/AwsSignature"
import * as AzureObjectStore from "@live-response/core/AzureObjectStore"
import * as Cloud from "@live-response/core/Cloud"
import * as Credential from "@live-response/core/Credential"
import { CredentialError, Missing } from "@live-response/core/CredentialError"
import * as DirectoryObjectStore from "@live-response/core/DirectoryObjectStore"
import type { ObjectStore } from "@live-response/core/ObjectStore"
import type * as ObjectStoreUrl from "@live-response/core/ObjectStoreUrl"
import * as S3Keys from "@live-response/core/S3Keys"
import * as S3ObjectStore from "@live-response/core/S3ObjectStore"
import * as SecretFile from "@live-response/core/SecretFile"
import * as StoreError from "@live-response/core/StoreError"
import * as Variable from "@live-response/core/Variable"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as NodeCredential from "./NodeCredential.ts"
import * as NodeDirectFileSystem from "./NodeDirectFileSystem.ts"
import * as NodeHasher from "./NodeHasher.ts"
import * as NodePlatform from "./NodePlatform.ts"
import * as NodeTransport from "./NodeTransport.ts"

const missing = (description: string) => new CredentialError({ reason: new Missing({ description }) })

const settings = Config.all({
  secret: Variable.optional("LIVE_RESPONSE_OBJECT_STORE_SECRET"),
  secretFile: Variable.optional("LIVE_RESPONSE_OBJECT_STORE_SECRET_FILE"),
  authority: Config.map(Cloud.config, ({ authority }) => authority),
  tenantId: Variable.optional("AZURE_TENANT_ID"),
  clientId: Variable.optional("AZURE_CLIENT_ID"),
  federatedTokenFile: Variable.optional("AZURE_FEDERATED_TOKEN_FILE"),
  accessKeyId: Variable.optional("AWS_ACCESS_KEY_ID"),
  secretAccessKey: Variable.optional("AWS_SECRET_ACCESS_KEY"),
  sessionToken: Variable.optional("AWS_SESSION_TOKEN"),
  roleArn: Variable.optional("AWS_ROLE_ARN"),
  webIdentityTokenFile: Variable.optional("AWS_WEB_IDENTITY_TOKEN_FILE"),
  tokenService: Variable.optional("AWS_ENDPOINT_URL_STS"),
  containerEndpoint: Variable.optional("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
  containerTokenFile: Variable.optional("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
})

type Settings = Config.Success<typeof settings>

/** The secret of the object store, from its variable or from its file. */
const secretOf = Effect.fnUntraced(function* ({ secret, secretFile }: Settings) {
  if (secret !== undefined || secretFile === undefined) return secret
  yield* SecretFile.warnIfShared(secretFile)
  return yield* Effect.mapError(SecretFile.read(secretFile), (error) =>
    missing(
      `can't read ${SecretFile.nameOf(secretFile)} (${StoreError.describe(error)}); check LIVE_RESPONSE_OBJECT_STORE_SECRET_FILE`,
    ),
  )
})

const storageAudience = "https://storage.azure.com"

/** The identity of this machine or of its pod. */
const identityOf = (settings: Settings, { clientId }: ObjectStoreUrl.Azure) => {
  const { authority, federatedTokenFile: tokenFile, tenantId } = settings
  const cloud = { authority, audience: storageAudience }
  const client = clientId ?? settings.clientId
  return tokenFile !== undefined && tenantId !== undefined && client !== undefined
    ? NodeCredential.layerWorkloadIdentity({ clientId: client, tenantId, tokenFile, cloud })
    : NodeCredential.layerManagedIdentity({ clientId, cloud })
}

const isAccountKey = (text: string) => /^[A-Za-z0-9+/]{40,}={0,2}$/.test(text)

const azureAuthorization = Effect.fnUntraced(function* (settings: Settings, url: ObjectStoreUrl.Azure) {
  const secret = yield* secretOf(settings)
  if (secret === undefined) {
    const credential = Context.get(yield* Layer.build(identityOf(settings, url)), Credential.Credential)
    return { kind: "bearer", credential } satisfies AzureObjectStore.Authorization
  }
  if (/(^|[?&])sig=/.test(secret)) {
    const token = Redacted.make(secret.replace(/^\?/, ""))
    return { kind: "sas", token } satisfies AzureObjectStore.Authorization
  }
  if (!isAccountKey(secret)) {
    return yield* missing(
      "LIVE_RESPONSE_OBJECT_STORE_SECRET is neither the key of a storage account nor a shared access signature (sv=…&sig=…)",
    )
  }
  return {
    kind: "sharedKey",
    account: url.account,
    key: Redacted.make(secret),
  } satisfies AzureObjectStore.Authorization
})

const fixed = (keys: Keys): S3ObjectStore.KeySource => ({ current: Effect.succeed(keys) })

const s3Keys = Effect.fnUntraced(function* (settings: Settings, { region }: ObjectStoreUrl.S3) {
  const { accessKeyId, containerEndpoint, containerTokenFile, roleArn, secretAccessKey, sessionToken } = settings
  const secret = yield* secretOf(settings)
  if (secret !== undefined) {
    const [, id, key] = /^([\w-]+):(\S+)$/.exec(secret) ?? []
    if (id === undefined || key === undefined) {
      return yield* missing("LIVE_RESPONSE_OBJECT_STORE_SECRET is not <access key id>:<secret access key>")
    }
    return fixed({ accessKeyId: id, secretAccessKey: Redacted.make(key) })
  }
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return fixed({
      accessKeyId,
      secretAccessKey: Redacted.make(secretAccessKey),
      ...(sessionToken === undefined ? {} : { sessionToken: Redacted.make(sessionToken) }),
    })
  }
  const { tokenService: endpoint, webIdentityTokenFile: tokenFile } = settings
  if (roleArn !== undefined && tokenFile !== undefined) {
    return yield* S3Keys.fromWebIdentity({ roleArn, tokenFile, region, endpoint })
  }
  if (containerEndpoint !== undefined && containerTokenFile !== undefined) {
    return yield* S3Keys.fromContainer({ endpoint: containerEndpoint, tokenFile: containerTokenFile })
  }
  return yield* missing(
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or LIVE_RESPONSE_OBJECT_STORE_SECRET_FILE, or give the pod a role",
  )
})

const layerOf = Effect.fnUntraced(function* (
  url: ObjectStoreUrl.ObjectStoreUrl,
): Effect.fn.Return<
  Layer.Layer<ObjectStore, StoreError.StoreError, FileSystem.FileSystem | HttpClient.HttpClient | Path.Path>,
  Config.ConfigError | CredentialError,
  FileSystem.FileSystem | HttpClient.HttpClient | Scope.Scope
> {
  switch (url._tag) {
    case "Directory":
      return DirectoryObjectStore.layer(url)
    case "Azure": {
      const account = Cloud.withoutTrailingSlash(url.endpoint ?? `https://${url.account}.blob.core.windows.net`)
      const authorization = yield* azureAuthorization(yield* settings, url)
      return AzureObjectStore.layer({ container: `${account}/${url.container}`, prefix: url.prefix, authorization })
    }
    case "S3":
      return S3ObjectStore.layer({ ...url, keys: yield* s3Keys(yield* settings, url) })
  }
})

/**
 * The object store of a URL.
 *
 * **Details**
 *
 * | URL | credentials, the first that is set |
 * | --- | --- |
 * | `azure://<account>/<container>[/<prefix>]` | `LIVE_RESPONSE_OBJECT_STORE_SECRET` or the file `LIVE_RESPONSE_OBJECT_STORE_SECRET_FILE`: the key of the account, or a shared access signature; the identity of the pod (`AZURE_FEDERATED_TOKEN_FILE`); the managed identity of the machine |
 * | `s3://<bucket>[/<prefix>]?region=<region>` | the same variable or file: `<access key id>:<secret access key>`; `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`; the role of the pod (`AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`, or `AWS_CONTAINER_CREDENTIALS_FULL_URI`) |
 * | `file:///<directory>` | none |
 *
 * `?endpoint=` is the address of the account or of a service other than Amazon's, and `?client-id=` a user-assigned identity of Azure.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  url: ObjectStoreUrl.ObjectStoreUrl,
): Layer.Layer<ObjectStore, CredentialError | StoreError.StoreError | Config.ConfigError> =>
  Layer.unwrap(layerOf(url)).pipe(
    Layer.provide([
      NodeTransport.layer,
      NodeDirectFileSystem.layerShared,
      NodePath.layer,
      NodeHasher.layer,
      NodePlatform.layer,
    ]),
  )
