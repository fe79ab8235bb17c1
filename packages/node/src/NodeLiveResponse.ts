/**
 * The whole library on Node, in one layer.
 *
 * @since 0.1.0
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cloud from "@live-response/core/Cloud"
import type { Credential } from "@live-response/core/Credential"
import type { CredentialError } from "@live-response/core/CredentialError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as ResultStore from "@live-response/core/ResultStore"
import * as RetryPolicy from "@live-response/core/RetryPolicy"
import type { StoreError } from "@live-response/core/StoreError"
import * as Transfer from "@live-response/core/Transfer"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeCredential from "./NodeCredential.ts"
import * as NodeHasher from "./NodeHasher.ts"
import * as NodeTransport from "./NodeTransport.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** Where results and their manifest are kept. */
  readonly directory: string

  /** Base of the API's addresses. By default that of the commercial cloud. */
  readonly endpoint?: string | undefined

  /** Calls in any minute and in any hour. By default the vendor's limits, 100 and 1,500. */
  readonly limits?: { readonly perMinute: number; readonly perHour: number } | undefined

  /** How long a transfer may go without a byte. By default 30 seconds. */
  readonly stallTimeout?: Duration.Input | undefined
}

/**
 * What the layers of this module provide: the face, and the rooms below it.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | LiveResponse.LiveResponse
  | Transfer.Transfer
  | DefenderApi.DefenderApi
  | Quota.Quota
  | ResultStore.ResultStore
  | Manifest.Manifest

/**
 * Everything but the credential.
 *
 * @example
 * ```ts
 * import * as Credential from "@live-response/core/Credential"
 * import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * export const live = NodeLiveResponse.layer({ directory: "results" }).pipe(
 *   Layer.provide(Credential.layerToken(Redacted.make("eyJ0eXAi..."))),
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Services, StoreError, Credential> => {
  const quota = Quota.layer(options.limits && { windows: Quota.windows(options.limits) })
  const policy = RetryPolicy.layer(options.stallTimeout === undefined ? {} : { stallTimeout: options.stallTimeout })
  const stores = Layer.mergeAll(ResultStore.layerFileSystem(options), Manifest.layerFileSystem(options)).pipe(
    Layer.provide([NodeServices.layer, NodeHasher.layer]),
  )
  return LiveResponse.layer.pipe(
    Layer.provideMerge(Transfer.layer),
    Layer.provideMerge(DefenderApi.layer({ base: options.endpoint })),
    Layer.provideMerge(Layer.mergeAll(quota.pipe(Layer.provide(QuotaStore.layerMemory)), stores)),
    Layer.provide([NodeTransport.layer, policy]),
  )
}

/**
 * Everything, from the environment: `LIVE_RESPONSE_TOKEN` or `AZURE_*` to sign in, `LIVE_RESPONSE_ENDPOINT`,
 * `LIVE_RESPONSE_PER_MINUTE`, `LIVE_RESPONSE_PER_HOUR`, `LIVE_RESPONSE_STALL_TIMEOUT` (`30 seconds`), and
 * `LIVE_RESPONSE_OUT` for the directory, by default `live-response-results`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Services, StoreError | CredentialError | Config.ConfigError> = Layer.unwrap(
  Effect.map(
    Config.all({
      directory: Config.String("LIVE_RESPONSE_OUT").pipe(Config.withDefault("live-response-results")),
      endpoint: Config.schema(Cloud.Endpoint, "LIVE_RESPONSE_ENDPOINT").pipe(Config.withDefault(undefined)),
      limits: Quota.config,
      stallTimeout: Config.Duration("LIVE_RESPONSE_STALL_TIMEOUT").pipe(Config.withDefault(undefined)),
    }),
    layer,
  ),
).pipe(Layer.provide(NodeCredential.layerConfig))
