/**
 * A runner of a cluster: what it is made of.
 */
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"
import * as Cluster from "@live-response/cluster/Cluster"
import * as Collectors from "@live-response/cluster/Collectors"
import * as Database from "@live-response/cluster/Database"
import { DatabaseError, Unreachable } from "@live-response/cluster/DatabaseError"
import * as OpenRuns from "@live-response/cluster/OpenRuns"
import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
import * as Retention from "@live-response/cluster/Retention"
import * as TenantCredentials from "@live-response/cluster/TenantCredentials"
import * as Tenants from "@live-response/cluster/Tenants"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as ObjectStoreUrl from "@live-response/core/ObjectStoreUrl"
import * as Outage from "@live-response/core/Outage"
import * as Quota from "@live-response/core/Quota"
import * as TransferBounds from "@live-response/core/TransferBounds"
import * as SpooledResults from "@live-response/core/SpooledResults"
import * as NodeDirectoryLock from "@live-response/node/NodeDirectoryLock"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeObjectStore from "@live-response/node/NodeObjectStore"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as ClusterDatabase from "../../api/ClusterDatabase.ts"
import * as Failure from "../../Failure.ts"
import type { Options } from "./command.ts"

/** Of the 40 bytes that a name may have, what the letters of each start leave. */
const longestName = 31

/** A name that no process had before. */
export const nameOf = (name: Option.Option<string>): Effect.Effect<string> =>
  Effect.sync(() => {
    const given = Option.getOrElse(name, hostname).replaceAll(/[^A-Za-z0-9.-]/g, "-")
    return `${given.slice(0, longestName)}-${randomBytes(4).toString("hex")}`
  })

/** A runner may start before its database does. */
const whileAway = Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered,
)

/** A network that swallows what is sent, such as behind a firewall, gives no error before a statement has waited for its whole time. */
const silence = "5 seconds"

/** The place of this runner in the cluster, once PostgreSQL answers. */
const join = Effect.fnUntraced(function* (runner: string, url: Redacted.Redacted) {
  const away = Outage.makeLogged("PostgreSQL answers; this runner joins the cluster")
  const report = ({ isRetryable, message }: DatabaseError) =>
    isRetryable ? away.failed(`${message}; this runner waits for it`) : Effect.void
  const silent = new DatabaseError({
    database: yield* Database.nameOf(url),
    reason: new Unreachable({ description: `no answer for ${silence}` }),
  })
  const wait = <A, R>(layer: Effect.Effect<A, DatabaseError, R>) =>
    layer.pipe(
      Effect.tapError(report),
      Effect.retry({ schedule: whileAway, while: ({ isRetryable }) => isRetryable }),
      Effect.raceFirst(Effect.andThen(Effect.delay(report(silent), silence), Effect.never)),
      Effect.tap(() => away.works),
    )
  const database = yield* wait(Layer.build(Database.layer({ url })))
  // Only then: the engine does not recover from a database that was never there.
  return Context.merge(database, yield* wait(Layer.build(Cluster.layer({ url, runner }))))
})

/** What each tenant is downloaded with: the variables that `download` has too. Its cloud is that of the registry. */
const settings = Effect.gen(function* () {
  const { endpoint: _endpoint, owner: _owner, ...options } = yield* NodeLiveResponse.environment
  return { ...options, windows: yield* Quota.config }
})

const given = <A>(value: Option.Option<A>, byDefault: A): A => Option.getOrElse(value, () => byDefault)

const limitsOf = ({ maxSpool, maxSpoolPerTenant, transfers, transfersPerTenant }: Options): TransferBounds.Limits => {
  const { defaults } = TransferBounds
  const limits = { transfers: given(transfers, defaults.transfers), bytes: given(maxSpool, defaults.bytes) }
  return {
    ...limits,
    // What one tenant may use is never more than all may.
    transfersPerUser: Math.min(limits.transfers, given(transfersPerTenant, defaults.transfersPerUser)),
    bytesPerUser: Math.min(limits.bytes, given(maxSpoolPerTenant, defaults.bytesPerUser)),
  }
}

/** The spool of this runner: the lock keeps another runner of this machine out of it. */
const spool = ({ spool: directory }: Options) =>
  Layer.effectDiscard(SpooledResults.clean(directory)).pipe(
    Layer.provideMerge(NodeDirectoryLock.layer({ directory })),
    Layer.provide(NodeLiveResponse.layerFiles),
  )

/** What a runner has without the cluster. */
const ownOf = (store: ObjectStoreUrl.ObjectStoreUrl, options: Options) =>
  Layer.mergeAll(
    TransferBounds.layer(limitsOf(options)),
    TenantCredentials.layerConfig,
    NodeObjectStore.layer(store),
    spool(options),
  )

const storeVariable = "LIVE_RESPONSE_OBJECT_STORE"

/** The store, or a failure that names the variable where its value is the one that is wrong. */
const storeOf = Effect.fnUntraced(function* ({ objectStore }: Options) {
  const variable = yield* Config.option(Config.String(storeVariable))
  return yield* Effect.mapError(Effect.fromResult(ObjectStoreUrl.parse(objectStore)), ({ description }) =>
    Option.contains(variable, objectStore)
      ? Failure.ofVariable(storeVariable, `it ${description}`)
      : Failure.usage(`--object-store: it ${description}`),
  )
})

/** Joins the cluster as this runner, and collects until the scope closes. */
export const start = Effect.fnUntraced(function* (runner: string, options: Options) {
  const store = yield* storeOf(options)
  const url = yield* ClusterDatabase.url
  const common = yield* settings
  const own = yield* Layer.build(ownOf(store, options))
  // What is wrong on this machine is known before the others see it.
  const place = yield* join(runner, url)
  const collectors = Collectors.layer({ ...common, runner, spool: options.spool }).pipe(
    Layer.provide(Layer.mergeAll(Tenants.layer, OpenRuns.layer, PgQuotaStore.layer)),
    Layer.provideMerge(TenantStatus.layer),
    Layer.provideMerge(Layer.succeedContext(Context.merge(own, place))),
  )
  const context = yield* Layer.build(collectors)
  const { each, leave } = Context.get(context, Cluster.Cluster)
  yield* Effect.provideContext(each("retention", Retention.run()), context)
  // Runs first: the others take each tenant once its work has stopped, and not after all else is closed.
  yield* Effect.addFinalizer(() => leave)
  return context
})
