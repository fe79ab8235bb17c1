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
import type * as QuotaRule from "@live-response/core/QuotaRule"
import type { QuotaStore } from "@live-response/core/QuotaStore"
import type { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import * as ResultStore from "@live-response/core/ResultStore"
import * as RetryPolicy from "@live-response/core/RetryPolicy"
import type { StoreError } from "@live-response/core/StoreError"
import * as Transfer from "@live-response/core/Transfer"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeCredential from "./NodeCredential.ts"
import * as NodeDirectoryLock from "./NodeDirectoryLock.ts"
import * as NodeHasher from "./NodeHasher.ts"
import * as NodeQuotaStore from "./NodeQuotaStore.ts"
import * as NodeTransport from "./NodeTransport.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface ApiOptions {
  /** Base of the API's addresses. By default that of the commercial cloud. */
  readonly endpoint?: string | undefined

  /** The quota's windows. By default the vendor's: 100 calls a minute, 1,500 an hour. */
  readonly windows?: ReadonlyArray<QuotaRule.Window> | undefined

  /** Whose calls they are: tenant and app, in any form. The quota of each owner at each endpoint is kept apart. */
  readonly owner?: string | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options extends ApiOptions {
  /** Where results and their manifest are kept. */
  readonly directory: string

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
 * The API alone, for what needs no directory of results.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerApi = (
  options: ApiOptions,
): Layer.Layer<DefenderApi.DefenderApi | Quota.Quota, QuotaStoreError, Credential | QuotaStore> =>
  DefenderApi.layer({ base: options.endpoint }).pipe(
    Layer.provideMerge(Quota.layer({ windows: options.windows, owner: quotaOwner(options) })),
    Layer.provide(NodeTransport.layer),
  )

/**
 * Everything but the credential and the place where the quota's log is kept.
 *
 * @example
 * ```ts
 * import * as Credential from "@live-response/core/Credential"
 * import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
 * import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
 * import * as Layer from "effect/Layer"
 * import * as Redacted from "effect/Redacted"
 *
 * export const live = NodeLiveResponse.layer({ directory: "results" }).pipe(
 *   Layer.provide([Credential.layerToken(Redacted.make("eyJ0eXAi...")), NodeQuotaStore.layerConfig]),
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options,
): Layer.Layer<Services, StoreError | QuotaStoreError, Credential | QuotaStore> => {
  const policy = RetryPolicy.layer(options.stallTimeout === undefined ? {} : { stallTimeout: options.stallTimeout })
  // The lock before the manifest is read: whoever had it until now wrote there.
  const stores = Layer.mergeAll(ResultStore.layerFileSystem(options), Manifest.layerFileSystem(options)).pipe(
    Layer.provide(NodeDirectoryLock.layer(options)),
    Layer.provide([NodeServices.layer, NodeHasher.layer]),
  )
  return LiveResponse.layer.pipe(
    Layer.provideMerge(Transfer.layer),
    Layer.provideMerge(layerApi(options)),
    Layer.provideMerge(stores),
    Layer.provide([NodeTransport.layer, policy]),
  )
}

/**
 * Whose quota the calls at an endpoint count for.
 *
 * @since 0.1.0
 * @category options
 */
export const quotaOwner = ({
  endpoint = Cloud.commercial.base,
  owner,
}: Pick<ApiOptions, "endpoint" | "owner">): string =>
  [endpoint.replace(/\/+$/, ""), ...(owner === undefined ? [] : [owner])].join(", ")

/**
 * How long a transfer may go without a byte, from `LIVE_RESPONSE_STALL_TIMEOUT` (`30 seconds`), where that is set.
 *
 * @since 0.1.0
 * @category options
 */
export const stallTimeout: Config.Config<Duration.Duration | undefined> = Config.Duration(
  "LIVE_RESPONSE_STALL_TIMEOUT",
).pipe(Config.withDefault(undefined))

/**
 * Everything, from the environment: the sign-in as `NodeCredential.layerConfig` finds it, the cloud as `Cloud.config` does
 * (`LIVE_RESPONSE_CLOUD`, `LIVE_RESPONSE_ENDPOINT`), `LIVE_RESPONSE_STALL_TIMEOUT` (`30 seconds`), `LIVE_RESPONSE_OUT` for
 * the directory, by default `live-response-results`; the quota's windows as `Quota.config` reads them, and its log as
 * `NodeQuotaStore.layerConfig` keeps it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Services, StoreError | QuotaStoreError | CredentialError | Config.ConfigError> =
  Layer.unwrap(
    Effect.gen(function* () {
      const options = yield* Config.all({
        directory: Config.String("LIVE_RESPONSE_OUT").pipe(Config.withDefault("live-response-results")),
        cloud: Cloud.config,
        windows: Quota.config,
        stallTimeout,
      })
      return layer({ ...options, endpoint: options.cloud.base, owner: yield* NodeCredential.owner })
    }),
  ).pipe(Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]))
