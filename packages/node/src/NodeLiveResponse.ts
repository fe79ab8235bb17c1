/**
 * The whole library on Node, in one layer.
 *
 * @since 0.1.0
 */
import { resolve } from "node:path"
import * as NodePath from "@effect/platform-node/NodePath"
import * as ActionWatch from "@live-response/core/ActionWatch"
import * as Cloud from "@live-response/core/Cloud"
import type { Credential } from "@live-response/core/Credential"
import type { CredentialError } from "@live-response/core/CredentialError"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Fleet from "@live-response/core/Fleet"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as Library from "@live-response/core/Library"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Machines from "@live-response/core/Machines"
import * as Manifest from "@live-response/core/Manifest"
import * as NumberText from "@live-response/core/NumberText"
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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as NodeCredential from "./NodeCredential.ts"
import * as NodeDirectFileSystem from "./NodeDirectFileSystem.ts"
import * as NodeDirectoryLock from "./NodeDirectoryLock.ts"
import * as NodeDiskSpace from "./NodeDiskSpace.ts"
import * as NodeHasher from "./NodeHasher.ts"
import * as NodeQuotaStore from "./NodeQuotaStore.ts"
import * as NodeTransport from "./NodeTransport.ts"
import * as NodePlatform from "./NodePlatform.ts"
import { invalidVariable } from "./internal/invalidVariable.ts"
import { withOwnMemoMap } from "./internal/withOwnMemoMap.ts"

/**
 * How the API is called.
 *
 * @since 0.1.0
 * @category options
 */
export interface ApiOptions {
  /** The base URL of the API. By default that of the commercial cloud. With anything but a URL the layer fails. */
  readonly endpoint?: string | undefined

  /**
   * The hosts that download links may lead to, with their subdomains. By default `DownloadLink.storageHosts`. `any` allows
   * every host, also one that resolves to an address of a private network.
   */
  readonly storageHosts?: ReadonlyArray<string> | "any" | undefined

  /** The windows of the quota for download links. By default Microsoft's limits: 100 calls a minute and 1,500 an hour. */
  readonly windows?: ReadonlyArray<QuotaRule.Window> | undefined

  /** The windows of the quota for new sessions. By default Microsoft's limit: ten a minute. */
  readonly runWindows?: ReadonlyArray<QuotaRule.Window> | undefined

  /** The tenant and app that make the calls, in any form. Each owner has a quota of its own at each endpoint. */
  readonly owner?: string | undefined

  /**
   * How long the API may not know an action that was just started. By default two minutes. Results are requested five seconds
   * after an action has finished, or after a quarter of this time if that is less.
   */
  readonly visibleWithin?: Duration.Input | undefined

  /** How long the service queues the session of an offline machine. By default two hours, Microsoft's limit. */
  readonly offlineFor?: Duration.Input | undefined

  /** How often a call, or a transfer that makes no progress, is retried. By default 8 and 5 times. */
  readonly retries?: number | undefined

  /** How long a server may send nothing. By default a minute before an answer, and 30 seconds in it. */
  readonly timeout?: Duration.Input | undefined

  /** The HTTP clients. By default `NodeTransport.separate`: each layer has its own. */
  readonly transports?: NodeTransport.Transports | undefined

  /** How often new machine actions are searched when they are followed. By default once a minute. */
  readonly followEvery?: Duration.Input | undefined
}

/**
 * How results are downloaded.
 *
 * @since 0.1.0
 * @category options
 */
export interface TransferOptions extends ApiOptions {
  /** How long a transfer may receive no byte. By default `timeout`, else 30 seconds. */
  readonly stallTimeout?: Duration.Input | undefined

  /** The minimum rate of a transfer over a minute, in bytes a second. By default 1,000. With 0 there is no minimum. */
  readonly minimumRate?: number | undefined
}

/**
 * How results are downloaded, and where they are stored.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends TransferOptions {
  /** The directory of results and their manifest. */
  readonly directory: string

  /** The directory of the journal of started sessions. By default the directory of results. */
  readonly journal?: string | undefined
}

/**
 * What calls the API.
 *
 * @since 0.1.0
 * @category models
 */
export type ApiServices = DefenderApi.DefenderApi | Library.Library | Machines.Machines | Quota.Quota

/**
 * What `layer` provides: `LiveResponse`, and the services that it is built on.
 *
 * @since 0.1.0
 * @category models
 */
export type Services =
  | ApiServices
  | LiveResponse.LiveResponse
  | Fleet.Fleet
  | ActionWatch.ActionWatch
  | Transfer.Transfer
  | Stores

/**
 * Where results are stored, and what is known of them.
 *
 * @since 0.1.0
 * @category models
 */
export type Stores = ResultStore.ResultStore | Manifest.Manifest | FollowPosition.FollowPosition

/**
 * The API alone.
 *
 * **When to use**
 *
 * Use it in a program that downloads no results, and so needs no directory.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerApi = (
  options: ApiOptions,
): Layer.Layer<ApiServices, QuotaStoreError | Config.ConfigError, Credential | QuotaStore> =>
  withOwnMemoMap(api(options))

const api = (options: ApiOptions) =>
  Layer.mergeAll(Library.layer, Machines.layer).pipe(
    Layer.provideMerge(
      DefenderApi.layer({
        base: options.endpoint,
        runWindows: options.runWindows,
        storageHosts: options.storageHosts,
      }),
    ),
    Layer.provideMerge(Quota.layer({ windows: options.windows, owner: quotaOwner(options) })),
    Layer.provide([transportsOf(options).api, NodeHasher.layer, timing(options)]),
    Layer.provide(Layer.effectDiscard(endpointUrl(options))),
  )

const timing = (options: TransferOptions) => {
  const { followEvery, minimumRate, offlineFor, retries, timeout, visibleWithin } = options
  const { stallTimeout = timeout } = options
  return Timing.layer({
    ...(retries === undefined ? {} : Timing.retries(retries)),
    ...(timeout === undefined ? {} : { headTimeout: timeout }),
    ...(followEvery === undefined ? {} : Timing.followEvery(followEvery)),
    ...(offlineFor === undefined ? {} : Timing.offlineFor(offlineFor)),
    ...(stallTimeout === undefined ? {} : { stallTimeout }),
    ...(minimumRate === undefined ? {} : { minimumRate: { bytesPerSecond: minimumRate, over: "1 minute" } }),
    ...(visibleWithin === undefined ? {} : Timing.visibleWithin(visibleWithin)),
  })
}

/**
 * The API, and the bytes of results.
 *
 * **When to use**
 *
 * Use it in a program that stores no results, and so needs no directory.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTransfer = (
  options: TransferOptions,
): Layer.Layer<Transfer.Transfer | ApiServices, QuotaStoreError | Config.ConfigError, Credential | QuotaStore> =>
  withOwnMemoMap(transfer(options))

const transfer = (options: TransferOptions) =>
  Transfer.layer.pipe(Layer.provideMerge(api(options)), Layer.provide([storageTransport(options), timing(options)]))

const transportsOf = ({ transports = NodeTransport.separate }: ApiOptions) => transports

/** No call would be possible, and each would be retried as if the network were gone. */
const endpointUrl = ({ endpoint = Cloud.commercial.base }: ApiOptions) =>
  Effect.suspend(() => {
    const url = URL.parse(endpoint)
    return url === null ? Effect.fail(invalidVariable("endpoint", "expected a URL")) : Effect.succeed(url)
  })

/** An API in a private network gives links to that network. */
const storageTransport = (options: ApiOptions) =>
  Layer.unwrap(
    Effect.map(endpointUrl(options), (api) => {
      const transports = transportsOf(options)
      return options.storageHosts === "any" || PrivateHost.isPrivate(api)
        ? transports.api
        : transports.storageOf({ apiHost: api.hostname })
    }),
  )

/**
 * What files in directories of results are opened with, for a store of the caller's own that writes files.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFiles = Layer.mergeAll(NodeDirectFileSystem.layer, NodePath.layer, NodePlatform.layer).pipe(
  Layer.merge(Layer.mergeAll(NodeHasher.layer, NodeDiskSpace.layer)),
)

/**
 * Everything but the credential and the store of the quota.
 *
 * **Details**
 *
 * The directory of results is locked for this program with `NodeDirectoryLock`, and so is that of the journal.
 *
 * Each call of this function returns a layer that shares no service with that of another call, so that a program may have one for
 * each tenant. The same holds for `layerApi`, `layerTransfer`, `layerOver` and `layerFleet`.
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
  // The lock comes before the manifest is read, because the last program that had it wrote there.
  const stores = Layer.mergeAll(
    ResultStore.layerFileSystem(options),
    Manifest.layerFileSystem(options),
    FollowPosition.layerFileSystem(options),
  ).pipe(Layer.provide(NodeDirectoryLock.layer({ directory })), Layer.provide(layerFiles))
  const sessions = Layer.unwrap(
    Effect.map(isSameDirectory(journal, directory), (isSame) =>
      // One lock for both, because a second lock of the same directory fails.
      isSame ? FleetJournal.layerFileSystem({ directory }) : layerJournal(journal),
    ),
  ).pipe(Layer.provide(layerFiles))
  return withOwnMemoMap(Layer.provideMerge(over(options), Layer.merge(stores, sessions)))
}

/**
 * `LiveResponse` and `Fleet` over stores of the caller's own.
 *
 * **When to use**
 *
 * Use it in a program that stores results, their manifest and the journal of sessions elsewhere than in a directory.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOver = (
  options: TransferOptions,
): Layer.Layer<
  Exclude<Services, Stores>,
  QuotaStoreError | Config.ConfigError,
  Credential | QuotaStore | Exclude<Stores, FollowPosition.FollowPosition> | FleetJournal.FleetJournal
> => withOwnMemoMap(over(options))

const over = (options: TransferOptions) =>
  Layer.mergeAll(LiveResponse.layer, Fleet.layer).pipe(
    Layer.provideMerge(ActionWatch.layer),
    Layer.provideMerge(transfer(options)),
    // The program needs the timing as well, to follow machine actions.
    Layer.provideMerge(timing(options)),
  )

/** Whether both are one directory, also if one is a link to the other. It creates both. */
const isSameDirectory = Effect.fnUntraced(function* (one: string, other: string) {
  if (resolve(one) === resolve(other)) return true
  return (yield* PrivateDirectory.open(one)).realPath === (yield* PrivateDirectory.open(other)).realPath
})

const layerJournal = (directory: string) =>
  FleetJournal.layerFileSystem({ directory }).pipe(Layer.provide(NodeDirectoryLock.layer({ directory })))

/**
 * Sessions on many machines, without results.
 *
 * **Details**
 *
 * Started sessions are recorded in the journal, whose directory is locked for this program. Without `journal` they are
 * recorded in memory.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFleet = (
  options: ApiOptions & Pick<Options, "journal">,
): Layer.Layer<
  Fleet.Fleet | ApiServices,
  StoreError | QuotaStoreError | Config.ConfigError,
  Credential | QuotaStore
> => {
  const { journal } = options
  return withOwnMemoMap(
    Fleet.layer.pipe(
      Layer.provide([
        ActionWatch.layer,
        journal === undefined ? FleetJournal.layerMemory : Layer.provide(layerJournal(journal), layerFiles),
      ]),
      Layer.provideMerge(api(options)),
      Layer.provide(timing(options)),
    ),
  )
}

/**
 * The owner of the quota that calls at an endpoint count for.
 *
 * @since 0.1.0
 * @category options
 */
export const quotaOwner = ({
  endpoint = Cloud.commercial.base,
  owner,
}: Pick<ApiOptions, "endpoint" | "owner">): string =>
  [Cloud.apiBase(endpoint), ...(owner === undefined ? [] : [owner])].join(", ")

const Rate = NumberText.fromString({
  form: /^\d+(\.\d+)?$/,
  maximum: 1e9,
  expected: "a number of bytes a second from 0 to 1,000,000,000",
})

const Retries = NumberText.fromString({ maximum: 1000, expected: "a whole number from 0 to 1,000" })

const wait = (name: string) => Config.schema(Timing.WaitFromString, name).pipe(Config.withDefault(undefined))

/** A host with its subdomains. An empty name would allow every host. */
const StorageHost = Schema.String.check(
  Schema.isPattern(/^(\*?\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i, {
    expected: "a host such as example.blob.core.windows.net, or any",
  }),
)

/**
 * The options that the environment sets.
 *
 * **Details**
 *
 * | Variable                                        | Option                                        | Example      |
 * | ----------------------------------------------- | --------------------------------------------- | ------------ |
 * | `LIVE_RESPONSE_CLOUD`, `LIVE_RESPONSE_ENDPOINT` | `endpoint`, as `Cloud.config` reads it        |              |
 * | `LIVE_RESPONSE_STORAGE_HOSTS`                   | `storageHosts`, separated by commas, or `any` |              |
 * | `LIVE_RESPONSE_RETRIES`                         | `retries`, 0 to 1,000                         | `20`         |
 * | `LIVE_RESPONSE_TIMEOUT`                         | `timeout`                                     | `2 minutes`  |
 * | `LIVE_RESPONSE_STALL_TIMEOUT`                   | `stallTimeout`                                | `30 seconds` |
 * | `LIVE_RESPONSE_MIN_RATE`                        | `minimumRate`, in bytes a second              | `1000`       |
 * | `LIVE_RESPONSE_VISIBLE_WITHIN`                  | `visibleWithin`                               | `2 minutes`  |
 * | `LIVE_RESPONSE_OFFLINE_FOR`                     | `offlineFor`                                  | `2 hours`    |
 * | `LIVE_RESPONSE_FOLLOW_EVERY`                    | `followEvery`                                 | `1 minute`   |
 * | `LIVE_RESPONSE_RUN_WINDOWS`                     | `runWindows`, separated by commas             | `10/1 minute` |
 *
 * A duration is of a millisecond to seven days, in words or short, such as `30s`, `5m` and `2h`.
 *
 * `owner` is that of `NodeCredential.owner`. A variable that is not set leaves the default.
 *
 * @since 0.1.0
 * @category options
 */
export const environment: Effect.Effect<Omit<TransferOptions, "windows">, Config.ConfigError> = Effect.gen(
  function* () {
    const { cloud, storageHosts, ...options } = yield* Config.all({
      cloud: Cloud.config,
      storageHosts: Config.Array(StorageHost, "LIVE_RESPONSE_STORAGE_HOSTS").pipe(Config.withDefault(undefined)),
      retries: Config.schema(Retries, "LIVE_RESPONSE_RETRIES").pipe(Config.withDefault(undefined)),
      timeout: wait("LIVE_RESPONSE_TIMEOUT"),
      stallTimeout: wait("LIVE_RESPONSE_STALL_TIMEOUT"),
      minimumRate: Config.schema(Rate, "LIVE_RESPONSE_MIN_RATE").pipe(Config.withDefault(undefined)),
      visibleWithin: wait("LIVE_RESPONSE_VISIBLE_WITHIN"),
      offlineFor: wait("LIVE_RESPONSE_OFFLINE_FOR"),
      followEvery: wait("LIVE_RESPONSE_FOLLOW_EVERY"),
      runWindows: Config.Array(QuotaRule.WindowFromString, "LIVE_RESPONSE_RUN_WINDOWS").pipe(
        Config.withDefault(undefined),
      ),
    })
    return {
      ...options,
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
 * The API, and the bytes of results, configured by the environment as `layerConfig` reads it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTransferConfig: Layer.Layer<
  Transfer.Transfer | ApiServices,
  QuotaStoreError | CredentialError | Config.ConfigError
> = Layer.unwrap(Effect.map(configured, layerTransfer)).pipe(
  Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]),
)

/**
 * Everything, configured by the environment.
 *
 * **Details**
 *
 * - the options as `environment` reads them
 * - the credential as `NodeCredential.layerConfig` finds it
 * - the windows of the quota as `Quota.config` reads them, and its store as `NodeQuotaStore.layerConfig` opens it
 * - `LIVE_RESPONSE_OUT` is the directory of results, by default `live-response-results`
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
