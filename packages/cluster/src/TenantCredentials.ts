/**
 * Signs in to the tenants of a cluster.
 *
 * @since 0.1.0
 */
import type * as Cloud from "@live-response/core/Cloud"
import type { Credential } from "@live-response/core/Credential"
import { CredentialError, Missing } from "@live-response/core/CredentialError"
import * as SecretFile from "@live-response/core/SecretFile"
import * as StoreError from "@live-response/core/StoreError"
import * as Variable from "@live-response/core/Variable"
import * as NodeCredential from "@live-response/node/NodeCredential"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import type { CredentialReference } from "./CredentialReference.ts"
import { makeOncePerKey } from "./internal/oncePerKey.ts"

/**
 * What is signed in to, and with what.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** The id of the customer's tenant: the token is that of an app there. */
  readonly tenant: string
  readonly cloud: Pick<Cloud.Cloud, "authority" | "audience">
  readonly credential: CredentialReference
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The credential of a tenant. Secrets are read when the layer is built, so one that is built again has those of today. */
  readonly layerOf: (options: Options) => Layer.Layer<Credential, CredentialError>
}

/**
 * Makes the credential of a tenant out of its reference.
 *
 * @since 0.1.0
 * @category services
 */
export class TenantCredentials extends Context.Service<TenantCredentials, Service>()(
  "@live-response/cluster/TenantCredentials",
) {}

/**
 * Where runners have what references name.
 *
 * @since 0.1.0
 * @category options
 */
export interface Directories {
  /** The directory of credentials: a mounted volume, or what systemd's `LoadCredential` fills. */
  readonly directory?: string | undefined

  /** The token of the cluster or the pipeline, for references that name no file. */
  readonly federatedTokenFile?: string | undefined
}

const missing = (description: string) => new CredentialError({ reason: new Missing({ description }) })

const noDirectory = missing(
  "the tenant names a file, and this runner has no directory of credentials; set LIVE_RESPONSE_CREDENTIALS",
)

const noFederatedToken = missing(
  "the tenant names no token file, and this runner has none of its own; set AZURE_FEDERATED_TOKEN_FILE, or name a file",
)

/** A secret, without the white space around it. */
const readSecret = Effect.fnUntraced(function* (path: string) {
  const secret = yield* Effect.mapError(SecretFile.read(path), (error) =>
    missing(
      `can't read ${path} (${StoreError.describe(error)}); mount it there, or name another file with tenants set`,
    ),
  )
  return secret === "" ? yield* missing(`${path} is empty; it must hold the secret of the app`) : Redacted.make(secret)
})

/** A runner without the files of its tenants would take them from runners that have them. */
const checkDirectory = (directory: string) =>
  FileSystem.FileSystem.use((fs) => fs.readDirectory(directory)).pipe(
    Effect.mapError((error) => {
      const detail = `it can't be read as the directory of credentials (${StoreError.describe(error)}); mount it there, or name another one in LIVE_RESPONSE_CREDENTIALS`
      return new StoreError.StoreError({ path: SecretFile.nameOf(directory), problem: "Failed", detail })
    }),
  )

const make = Effect.fnUntraced(function* ({ directory, federatedTokenFile }: Directories) {
  if (directory !== undefined) yield* checkDirectory(directory)
  const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
  const oncePerFile = makeOncePerKey<string>()

  /** The file of a reference. Each start of a tenant's work asks for it. */
  const fileOf = Effect.fnUntraced(function* (name: string) {
    if (directory === undefined) return yield* noDirectory
    const path = (yield* Path.Path).join(directory, name)
    yield* oncePerFile(path, SecretFile.warnIfShared(path))
    return path
  })

  const layerOf = Effect.fnUntraced(function* ({ cloud, credential, tenant }: Options) {
    const { kind } = credential
    const advised = (advice: string) => ({ cloud, tenantId: tenant, advice })
    switch (kind) {
      case "app": {
        const path = yield* fileOf(credential.file)
        const { clientId } = credential
        const app = advised(`check the tenant, the app ${clientId} and its secret in ${path}`)
        return NodeCredential.layerClientSecret({ ...app, clientId, clientSecret: yield* readSecret(path) })
      }
      case "certificate": {
        const certificatePath = yield* fileOf(credential.file)
        const app = advised(
          `the certificate ${certificatePath} can't be used; it must be a PEM file with its private key`,
        )
        return NodeCredential.layerClientCertificate({ ...app, clientId: credential.clientId, certificatePath })
      }
      case "federated": {
        const { clientId, file } = credential
        const tokenFile = file === undefined ? federatedTokenFile : yield* fileOf(file)
        if (tokenFile === undefined) return yield* noFederatedToken
        return NodeCredential.layerWorkloadIdentity({
          ...advised(`can't sign in with the token ${tokenFile}; it must be one that the app ${clientId} trusts`),
          clientId,
          tokenFile,
        })
      }
      case "managed": {
        const { clientId, identity } = credential
        const machine = advised("this runner has no such managed identity; it is for machines of Azure")
        return clientId === undefined
          ? NodeCredential.layerManagedIdentity({ ...machine, clientId: identity })
          : NodeCredential.layerTrustedIdentity({ ...machine, clientId, identity })
      }
    }
  })

  const service: Service = {
    layerOf: (options) => Layer.unwrap(Effect.provideContext(layerOf(options), context)),
  }
  return service
})

/**
 * Signs in with what is on this machine.
 *
 * **Details**
 *
 * A file that others on the machine may open is a warning, once. A directory that can't be read is an error at once.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Directories,
): Layer.Layer<TenantCredentials, StoreError.StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(TenantCredentials, make(options))

/**
 * Signs in with what the environment names: `LIVE_RESPONSE_CREDENTIALS`, or systemd's `CREDENTIALS_DIRECTORY`, is the directory of
 * credentials, and `AZURE_FEDERATED_TOKEN_FILE` the token of the cluster.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<
  TenantCredentials,
  Config.ConfigError | StoreError.StoreError,
  FileSystem.FileSystem | Path.Path
> = Layer.unwrap(
  Effect.gen(function* () {
    const directory =
      (yield* Variable.optional("LIVE_RESPONSE_CREDENTIALS")) ?? (yield* Variable.optional("CREDENTIALS_DIRECTORY"))
    return layer({ directory, federatedTokenFile: yield* Variable.optional("AZURE_FEDERATED_TOKEN_FILE") })
  }),
)
