/**
 * The whole library on Node, in one layer.
 *
 * @since 0.1.0
 */
import { resolve } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ActionWatch from "@live-response/core/ActionWatch"
import * as Cloud from "@live-response/core/Cloud"
import type { Credential } from "@live-response/core/Credential"
import type { CredentialError } from "@live-response/core/CredentialError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Fleet from "@live-response/core/Fleet"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Quota from "@live-response/core/Quota"
import * as QuotaRule from "@live-response/core/QuotaRule"
import type { QuotaStore } from "@live-response/core/QuotaStore"
import type { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import * as PrivateHost from "@live-response/core/PrivateHost"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Timing from "@live-response/core/Timing"
import type { StoreError } from "@live-response/core/StoreError"
import * as Transfer from "@live-response/core/Transfer"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as NodeCredential from "./NodeCredential.ts"
import * as NodeDirectoryLock from "./NodeDirectoryLock.ts"
import * as NodeDiskSpace from "./NodeDiskSpace.ts"
import * as NodeHasher from "./NodeHasher.ts"
import * as NodeQuotaStore from "./NodeQuotaStore.ts"
import * as NodeTransport from "./NodeTransport.ts"
import * as NodeUser from "./NodeUser.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface ApiOptions {
  /** Base of the API's addresses. By default that of the commercial cloud. */
  readonly endpoint?: string | undefined

  /**
   * The hosts that links to results may lead to, each with all hosts under it. By default `DownloadLink.storageHosts`. `any`
   * is every host, also one that resolves to an address of a private network.
   */
  readonly storageHosts?: ReadonlyArray<string> | "any" | undefined

  /** The quota's windows. By default the vendor's: 100 calls a minute, 1,500 an hour. */
  readonly windows?: ReadonlyArray<QuotaRule.Window> | undefined

  /** How many sessions may be begun. By default the vendor's limit, ten a minute. */
  readonly runWindows?: ReadonlyArray<QuotaRule.Window> | undefined

  /** Whose calls they are: tenant and app, in any form. The quota of each owner at each endpoint is kept apart. */
  readonly owner?: string | undefined

  /**
   * How long an action that was just begun may be unknown to the API, by default two minutes. Below 20 seconds, results are
   * asked for after a quarter of that, and not after five seconds.
   */
  readonly visibleWithin?: Duration.Input | undefined

  /** How often whoever follows machine actions looks for new ones. By default once a minute. */
  readonly followEvery?: Duration.Input | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export interface TransferOptions extends ApiOptions {
  /** How long a transfer may go without a byte. By default 30 seconds. */
  readonly stallTimeout?: Duration.Input | undefined

  /** How many bytes a second must come on average over a minute. By default 1,000; with 0 there is no minimum. */
  readonly minimumRate?: number | undefined
}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options extends TransferOptions {
  /** Where results and their manifest are kept. */
  readonly directory: string

  /** Where it is remembered what sessions were begun. By default in the same directory. */
  readonly journal?: string | undefined
}

/**
 * What the layers of this module provide: the face, and the rooms below it.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | LiveResponse.LiveResponse
  | Fleet.Fleet
  | ActionWatch.ActionWatch
  | Transfer.Transfer
  | DefenderApi.DefenderApi
  | Quota.Quota
  | ResultStore.ResultStore
  | Manifest.Manifest
  | FollowPosition.FollowPosition

/**
 * The API alone, for what needs no directory of results.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerApi = (
  options: ApiOptions,
): Layer.Layer<DefenderApi.DefenderApi | Quota.Quota, QuotaStoreError | Config.ConfigError, Credential | QuotaStore> =>
  DefenderApi.layer({
    base: options.endpoint,
    runWindows: options.runWindows,
    storageHosts: options.storageHosts,
  }).pipe(
    Layer.provideMerge(Quota.layer({ windows: options.windows, owner: quotaOwner(options) })),
    Layer.provide([NodeTransport.layer, waits(options)]),
  )

const waits = ({ followEvery, minimumRate, stallTimeout, visibleWithin }: TransferOptions) =>
  Timing.layer({
    ...(followEvery === undefined ? {} : Timing.followEvery(followEvery)),
    ...(stallTimeout === undefined ? {} : { stallTimeout }),
    ...(minimumRate === undefined ? {} : { minimumRate: { bytesPerSecond: minimumRate, over: "1 minute" } }),
    ...(visibleWithin === undefined ? {} : Timing.visibleWithin(visibleWithin)),
  })

/**
 * The API and the bytes of results, for what keeps none of them and so needs no directory.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTransfer = (
  options: TransferOptions,
): Layer.Layer<
  Transfer.Transfer | DefenderApi.DefenderApi | Quota.Quota,
  QuotaStoreError | Config.ConfigError,
  Credential | QuotaStore
> =>
  Transfer.layer.pipe(Layer.provideMerge(layerApi(options)), Layer.provide([storageTransport(options), waits(options)]))

/** An API in a private network gives links there as well. */
const storageTransport = ({ endpoint = Cloud.commercial.base, storageHosts }: ApiOptions) => {
  const api = new URL(endpoint)
  return storageHosts === "any" || PrivateHost.isPrivate(api)
    ? NodeTransport.layer
    : NodeTransport.layerPublic({ apiHost: api.hostname })
}

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
): Layer.Layer<Services, StoreError | QuotaStoreError | Config.ConfigError, Credential | QuotaStore> => {
  const { directory, journal = directory } = options
  // The lock before the manifest is read: whoever had it until now wrote there.
  const stores = Layer.mergeAll(
    ResultStore.layerFileSystem(options),
    Manifest.layerFileSystem(options),
    FollowPosition.layerFileSystem(options),
  ).pipe(
    Layer.provide(NodeDirectoryLock.layer({ directory })),
    Layer.provide([NodeServices.layer, NodeHasher.layer, NodeUser.layer, NodeDiskSpace.layer]),
  )
  const sessions = Layer.unwrap(
    Effect.map(isSameDirectory(journal, directory), (isSame) =>
      // One lock for both: a second one would be refused.
      isSame ? FleetJournal.layerFileSystem({ directory }) : layerJournal(journal),
    ),
  ).pipe(Layer.provide([NodeServices.layer, NodeUser.layer]))
  return Layer.mergeAll(LiveResponse.layer, Fleet.layer).pipe(
    Layer.provideMerge(ActionWatch.layer),
    Layer.provideMerge(layerTransfer(options)),
    Layer.provideMerge(Layer.merge(stores, sessions)),
    // In force for the program as well: it follows machine actions by them.
    Layer.provideMerge(waits(options)),
  )
}

/** Also where one of them is a link to the other. Both are there then. */
const isSameDirectory = Effect.fnUntraced(function* (one: string, other: string) {
  if (resolve(one) === resolve(other)) return true
  return (yield* PrivateDirectory.open(one)).realPath === (yield* PrivateDirectory.open(other)).realPath
})

const layerJournal = (directory: string) =>
  FleetJournal.layerFileSystem({ directory }).pipe(Layer.provide(NodeDirectoryLock.layer({ directory })))

/**
 * Sessions on many machines, for what keeps no results. What was begun is remembered in the journal, and one program at
 * a time works there; without one it is remembered for this program alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFleet = (
  options: ApiOptions & Pick<Options, "journal">,
): Layer.Layer<
  Fleet.Fleet | DefenderApi.DefenderApi | Quota.Quota,
  StoreError | QuotaStoreError | Config.ConfigError,
  Credential | QuotaStore
> => {
  const { journal } = options
  return Fleet.layer.pipe(
    Layer.provide([
      ActionWatch.layer,
      journal === undefined
        ? FleetJournal.layerMemory
        : Layer.provide(layerJournal(journal), [NodeServices.layer, NodeUser.layer]),
    ]),
    Layer.provideMerge(layerApi(options)),
    Layer.provide(waits(options)),
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
  [Cloud.withoutTrailingSlash(endpoint), ...(owner === undefined ? [] : [owner])].join(", ")

const isWait = Duration.between({ minimum: Duration.millis(1), maximum: Duration.days(7) })

/** A wait of nothing would be no wait but a loop, and one without an end a stop. */
const Wait = Schema.DurationFromString.check(
  Schema.makeFilter(
    (duration: Duration.Duration) =>
      isWait(duration) || "Expected a duration of a millisecond to 7 days, such as 30 seconds",
  ),
)

/** In bytes a second. */
const Rate = Schema.NumberFromString.check(Schema.isBetween({ minimum: 0, maximum: 1e9 }))

const wait = (name: string) => Config.schema(Wait, name).pipe(Config.withDefault(undefined))

/** A host, or a domain with all hosts in it. An empty name would be all of them. */
const StorageHost = Schema.String.check(
  Schema.isPattern(/^(\*?\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i, {
    expected: "a host such as example.blob.core.windows.net, or any",
  }),
)

/**
 * What the environment says of the API and of the waits: the cloud as `Cloud.config` reads it (`LIVE_RESPONSE_CLOUD`,
 * `LIVE_RESPONSE_ENDPOINT`), the hosts that links may lead to (`LIVE_RESPONSE_STORAGE_HOSTS`, separated by commas; `any` is
 * every host), whose calls they are as `NodeCredential.owner` finds it, `LIVE_RESPONSE_STALL_TIMEOUT` (`30
 * seconds`), `LIVE_RESPONSE_MIN_RATE` (`1000`, in bytes a second), `LIVE_RESPONSE_VISIBLE_WITHIN` (`2 minutes`), `LIVE_RESPONSE_FOLLOW_EVERY` (`1 minute`) and
 * `LIVE_RESPONSE_RUN_WINDOWS` (`10/1 minute`).
 *
 * @since 0.1.0
 * @category options
 */
export const environment: Effect.Effect<Omit<TransferOptions, "windows">, Config.ConfigError> = Effect.gen(
  function* () {
    const { cloud, storageHosts, ...waits } = yield* Config.all({
      cloud: Cloud.config,
      storageHosts: Config.Array(StorageHost, "LIVE_RESPONSE_STORAGE_HOSTS").pipe(Config.withDefault(undefined)),
      stallTimeout: wait("LIVE_RESPONSE_STALL_TIMEOUT"),
      minimumRate: Config.schema(Rate, "LIVE_RESPONSE_MIN_RATE").pipe(Config.withDefault(undefined)),
      visibleWithin: wait("LIVE_RESPONSE_VISIBLE_WITHIN"),
      followEvery: wait("LIVE_RESPONSE_FOLLOW_EVERY"),
      runWindows: Config.Array(QuotaRule.WindowFromString, "LIVE_RESPONSE_RUN_WINDOWS").pipe(
        Config.withDefault(undefined),
      ),
    })
    return {
      ...waits,
      endpoint: cloud.base,
      storageHosts: storageHosts?.includes("any") === true ? "any" : storageHosts,
      owner: yield* NodeCredential.owner,
    }
  },
)

const configured = Effect.gen(function* () {
  return { ...(yield* environment), windows: yield* Quota.config }
})

/**
 * The API and the bytes of results, from the environment, as `layerConfig` reads it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTransferConfig: Layer.Layer<
  Transfer.Transfer | DefenderApi.DefenderApi | Quota.Quota,
  QuotaStoreError | CredentialError | Config.ConfigError
> = Layer.unwrap(Effect.map(configured, layerTransfer)).pipe(
  Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]),
)

/**
 * Everything, from the environment: the sign-in as `NodeCredential.layerConfig` finds it, the API and the waits as
 * `environment` reads them, `LIVE_RESPONSE_OUT` for the directory, by default `live-response-results`; the quota's windows
 * as `Quota.config` reads them, and its log as `NodeQuotaStore.layerConfig` keeps it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Services, StoreError | QuotaStoreError | CredentialError | Config.ConfigError> =
  Layer.unwrap(
    Effect.gen(function* () {
      const directory = yield* Config.String("LIVE_RESPONSE_OUT").pipe(Config.withDefault("live-response-results"))
      return layer({ ...(yield* configured), directory })
    }),
  ).pipe(Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]))
