/**
 * The work on one tenant: it downloads every result of the machine actions that the tenant follows, and executes its runs.
 *
 * @since 0.1.0
 */
import * as ActionSelection from "@live-response/core/ActionSelection"
import type { BatchError } from "@live-response/core/BatchError"
import type { CredentialError } from "@live-response/core/CredentialError"
import type * as Extraction from "@live-response/core/Extraction"
import * as Follow from "@live-response/core/Follow"
import * as FollowPosition from "@live-response/core/FollowPosition"
import type { ObjectStore } from "@live-response/core/ObjectStore"
import * as Outage from "@live-response/core/Outage"
import * as Quota from "@live-response/core/Quota"
import type { QuotaStore } from "@live-response/core/QuotaStore"
import type { QuotaStoreError } from "@live-response/core/QuotaStoreError"
import { keyOf } from "@live-response/core/ResultRef"
import * as StoreError from "@live-response/core/StoreError"
import * as SpooledResults from "@live-response/core/SpooledResults"
import * as Timing from "@live-response/core/Timing"
import * as TransferBounds from "@live-response/core/TransferBounds"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import type * as Config from "effect/Config"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import * as Restarts from "./internal/restarts.ts"
import { spread } from "./internal/spread.ts"
import * as Together from "./internal/together.ts"
import type { OpenRuns } from "./OpenRuns.ts"
import * as PgFleetJournal from "./PgFleetJournal.ts"
import * as PgManifest from "./PgManifest.ts"
import * as PgPositions from "./PgPositions.ts"
import * as RunExecutor from "./RunExecutor.ts"
import { TenantCredentials } from "./TenantCredentials.ts"
import * as TenantOwner from "./TenantOwner.ts"
import { cloudOf, type Tenant, type TenantError, type Tenants } from "./Tenants.ts"
import * as TenantStatus from "./TenantStatus.ts"

/**
 * How results of all tenants are downloaded. The cloud is that of each tenant.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends Omit<NodeLiveResponse.TransferOptions, "endpoint" | "owner"> {
  /** The name of the runner, as `Cluster` has it. */
  readonly runner: string

  /** A directory on the disk of this machine, for results that are not uploaded yet. Only one program may use it. */
  readonly spool: string

  /** Also unpacks gzip files within these limits. By default nothing is unpacked. */
  readonly extract?: Extraction.Limits | undefined

  /** How many runs of a tenant are executed at once. By default 4. */
  readonly runs?: number | undefined
}

/**
 * What all tenants of a runner share.
 *
 * @since 0.1.0
 * @category models
 */
export type Requirements =
  | Database
  | Tenants
  | TenantStatus.TenantStatus
  | TenantCredentials
  | OpenRuns
  | ObjectStore
  | QuotaStore
  | TransferBounds.TransferBounds

/**
 * Why the work on a tenant ends before another owner takes it over.
 *
 * @since 0.1.0
 * @category errors
 */
export type CollectorError =
  | BatchError
  | DatabaseError
  | TenantError
  | CredentialError
  | QuotaStoreError
  | Config.ConfigError

/** How far back to start where the selection has no `since`. */
const defaultSince = Duration.hours(24)

/**
 * The owner of the quota of a tenant: the API counts the calls of each app in each tenant by itself.
 *
 * @since 0.1.0
 * @category quota
 */
export const quotaOwner = ({ credential, tenant }: Tenant): string => {
  const { clientId = credential.kind === "managed" ? credential.identity : undefined } = credential
  return `tenant ${tenant}, app ${clientId ?? "of the runners"}`
}

/** A position that has not changed is not written again: an idle tenant would cost a statement a minute. */
const changedPositions = Layer.effect(
  FollowPosition.FollowPosition,
  Effect.map(FollowPosition.FollowPosition, ({ save, ...positions }) => {
    const saved = new Map<string, string>()
    return {
      ...positions,
      save: (key, position) =>
        Effect.suspend(() => {
          const [name, text] = [JSON.stringify(key), JSON.stringify(position)]
          if (saved.get(name) === text) return Effect.void
          return Effect.tap(save(key, position), () => Effect.sync(() => saved.set(name, text)))
        }),
    }
  }),
).pipe(Layer.provide(PgPositions.layer))

/** What works on a tenant, as its owner. */
const servicesOf = (tenant: Tenant, options: Options) => {
  const cloud = cloudOf(tenant)
  const credential = Layer.unwrap(
    TenantCredentials.useSync(({ layerOf }) =>
      layerOf({ tenant: tenant.tenant, cloud, credential: tenant.credential }),
    ),
  )
  const results = SpooledResults.layer({
    spool: `${options.spool}/${tenant.tenant}`,
    prefix: tenant.storagePrefix,
  }).pipe(Layer.provide(NodeLiveResponse.layerFiles))
  const stores = Layer.mergeAll(
    TransferBounds.layerShare(tenant.tenant).pipe(Layer.provide(results)),
    PgManifest.layer,
    PgFleetJournal.layer,
    changedPositions,
  )
  return NodeLiveResponse.layerOver({ ...options, endpoint: cloud.base, owner: quotaOwner(tenant) }).pipe(
    Layer.provideMerge(stores),
    Layer.provide(credential),
  )
}

/**
 * What the log and the status say of an event. Results that are stored are in the manifest. The log has the first of the searches that
 * fail, because a line a minute for each tenant would hide all else while the network is away; the status has the last one.
 */
const report = Effect.fnUntraced(function* (searches: Outage.Outage<string>, event: Follow.Event) {
  const status = yield* TenantStatus.TenantStatus
  const owner = yield* TenantOwner.TenantOwner
  switch (event.event) {
    case "searched":
      yield* searches.works
      return yield* status.looked(owner)
    case "unavailable":
      yield* searches.failed(`${event.message}; it is tried again`)
      return yield* status.failed(owner, "search", event.message)
    case "offline":
      // One of the storage is not one of the searches.
      if (event.error._tag === "DefenderError") yield* searches.failed(`${event.message}; it is tried again`)
      return yield* status.failed(owner, "search", event.message)
    case "retrying":
      // The store of results, which logs it once for all tenants.
      return event.error._tag === "StoreError" ? yield* status.failed(owner, "work", event.message) : undefined
    case "failed":
      return yield* Effect.logWarning(`${keyOf(event)} failed and is downloaded again later: ${event.message}`)
    case "gaveUp":
      return yield* Effect.logWarning(
        `${keyOf(event)} failed as often as it may; it is downloaded again when the work restarts`,
      )
    default:
      return
  }
})

/** The searches of a tenant. Where the network is away, those of all tenants fail together. */
const makeSearches = ({ name }: Tenant) =>
  Together.Together.useSync(({ say }) => {
    const again = "the API is searched again"
    return Outage.make<string>({
      onStart: (message) =>
        say(message, name, Effect.logWarning(message), (who) => Effect.logWarning(`also ${who}: ${message}`)),
      onEnd: say(again, name, Effect.logInfo(again), (who) => Effect.logInfo(`${who}: ${again}`)),
    })
  })

const follow = Effect.fnUntraced(function* (tenant: Tenant, { extract }: Options) {
  const { limits } = yield* TransferBounds.TransferBounds
  const selection = ActionSelection.ofSessions(tenant.selection)
  const { filter, isSelected } = ActionSelection.toFollow(selection)
  const events = Follow.run({
    selection: { key: FollowPosition.makeKey(ActionSelection.valuesOf(selection)), filter, isSelected },
    since: selection.since ?? DateTime.subtractDuration(yield* DateTime.now, defaultSince),
    concurrency: limits.transfersPerUser,
    extract,
  })
  const searches = yield* makeSearches(tenant)
  yield* Stream.runForEach(events, (event) => report(searches, event))
})

const spreadSearches = (timing: Timing.Settings): Timing.Settings => ({ ...timing, follow: spread(timing.follow) })

/** Follows the tenant and executes its runs, until one of them fails. */
const work = (tenant: Tenant, options: Options) =>
  Effect.all(
    [
      Effect.updateService(follow(tenant, options), Timing.Timing, spreadSearches),
      RunExecutor.run({ runs: options.runs, extract: options.extract }),
    ],
    {
      concurrency: 2,
      discard: true,
    },
  ).pipe(
    Effect.provide(Layer.fresh(servicesOf(tenant, options))),
    // Another runner may have the tenant next, whose series say what it uses from then on.
    Effect.provideService(Quota.EndsSeries, true),
  )

const isSuperseded = (error: CollectorError): boolean => error._tag === "StoreError" && error.problem === "Superseded"

/** A search that succeeds shows that the sign-in and the API work, and nothing about where results are stored. */
const failingOf = (error: CollectorError): TenantStatus.Failing =>
  error._tag === "CredentialError" || error._tag === "DefenderError" ? "search" : "work"

/** A runner that has started takes a hundred tenants at once. */
const reportStart = Effect.fnUntraced(function* ({ name }: Tenant, { epoch }: TenantOwner.Service) {
  const line = `this runner collects it, as owner ${epoch}`
  if (yield* Restarts.IsRepeated) return yield* Effect.logDebug(line)
  const { say } = yield* Together.Together
  yield* say(Together.collected, name, Effect.logInfo(line), (who) =>
    Effect.logInfo(`this runner also collects ${who}`),
  )
})

const asOwner = Effect.fnUntraced(function* (tenant: Tenant, options: Options) {
  const status = yield* TenantStatus.TenantStatus
  const owner = yield* TenantOwner.TenantOwner
  yield* reportStart(tenant, owner)
  yield* work(tenant, options).pipe(
    Effect.mapError((error) => (error._tag === "StoreError" ? StoreError.ofService(error) : error)),
    Effect.tapError((error) =>
      isSuperseded(error) ? Effect.void : status.failed(owner, failingOf(error), error.message),
    ),
    Effect.catchIf(isSuperseded, () => Effect.logDebug("another runner has taken over")),
  )
})

/**
 * Works on a tenant until another owner takes it over: then it ends, without an error.
 *
 * **Details**
 *
 * It claims the tenant first, so that an earlier owner can write nothing any more. Then it follows what the tenant selects, from the
 * position that the earlier owner stored, and executes the runs that were given to the cluster. Results are written to the spool, and
 * from there to the object store under the prefix of the tenant; what the tenants of a runner use together is bounded by
 * `TransferBounds`.
 *
 * **Gotchas**
 *
 * It fails with the first error that waiting does not help, such as a refused sign-in. {@link Collectors} starts it again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (tenant: Tenant, options: Options): Effect.Effect<void, CollectorError, Requirements> =>
  asOwner(tenant, options).pipe(
    Effect.provide(Layer.fresh(TenantOwner.layer(tenant.tenant, options.runner))),
    Effect.annotateLogs({ tenant: tenant.name }),
    Effect.withSpan("Collector.run", { attributes: { "live_response.tenant": tenant.tenant } }),
  )
