/** What executes the runs of a tenant, over the API at an address, with results in memory. */
import * as Database from "@live-response/cluster/Database"
import * as OpenRuns from "@live-response/cluster/OpenRuns"
import * as PgFleetJournal from "@live-response/cluster/PgFleetJournal"
import * as PgManifest from "@live-response/cluster/PgManifest"
import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
import * as RunExecutor from "@live-response/cluster/RunExecutor"
import * as TenantOwner from "@live-response/cluster/TenantOwner"
import * as Tenants from "@live-response/cluster/Tenants"
import * as Credential from "@live-response/core/Credential"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as ResultStore from "@live-response/core/ResultStore"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

export const token = "a-token-of-tests"

/** More than the tests need: they are not about the quota. */
const window = Schema.decodeSync(QuotaRule.WindowFromString)("1000/1 minute")

/** The services of one owner of a tenant. Each time that it is built, it is a new owner. */
export const ownerOf = (
  tenant: Tenants.TenantId,
  endpoint: string,
  bearer = token,
  results: Layer.Layer<ResultStore.ResultStore> = ResultStore.layerMemory,
  // So long an action may be unknown to the API: a runner that takes over waits for as long.
  visibleWithin: Duration.Input = "1 second",
) =>
  NodeLiveResponse.layerOver({
    endpoint,
    storageHosts: "any",
    owner: tenant,
    windows: [window],
    runWindows: [window],
    visibleWithin,
    retries: 3,
  }).pipe(
    Layer.provide([Credential.layerToken(Redacted.make(bearer)), PgQuotaStore.layer, results]),
    Layer.provideMerge(Layer.mergeAll(PgManifest.layer, PgFleetJournal.layer, OpenRuns.layer)),
    Layer.provideMerge(TenantOwner.layer(tenant)),
    Layer.fresh,
  )

/** Owns the tenant, and executes its runs. */
export const executeFor = (
  tenant: Tenants.TenantId,
  endpoint: string,
  bearer?: string,
  results?: Layer.Layer<ResultStore.ResultStore>,
) => RunExecutor.run().pipe(Effect.provide(ownerOf(tenant, endpoint, bearer, results), { local: true }), Effect.scoped)

export const database = (url: string) =>
  Tenants.layer.pipe(Layer.provideMerge(Database.layer({ url: Redacted.make(url), timeout: "5 seconds" })))
