/** A runner with all that collectors need. Results are stored in a directory that stands for the shared store. */
import * as Cluster from "@live-response/cluster/Cluster"
import * as Collectors from "@live-response/cluster/Collectors"
import * as Database from "@live-response/cluster/Database"
import * as OpenRuns from "@live-response/cluster/OpenRuns"
import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
import { TenantCredentials } from "@live-response/cluster/TenantCredentials"
import * as Tenants from "@live-response/cluster/Tenants"
import * as TenantStatus from "@live-response/cluster/TenantStatus"
import * as Credential from "@live-response/core/Credential"
import * as DirectoryObjectStore from "@live-response/core/DirectoryObjectStore"
import * as TransferBounds from "@live-response/core/TransferBounds"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { token } from "./simulatedTenants.ts"

export interface Options extends Partial<Collectors.Options> {
  readonly url: Redacted.Redacted<string>
  readonly runner: string
  readonly spool: string
  /** Where results are stored. */
  readonly objects: string
  readonly limits?: Partial<TransferBounds.Limits> | undefined
  /** By default that of the database. */
  readonly cluster?: Layer.Layer<Cluster.Cluster> | undefined
}

/** Every tenant is signed in to with the same token. */
const credentials = Layer.succeed(TenantCredentials, {
  layerOf: () => Credential.layerToken(Redacted.make(token)),
})

export const layer = (options: Options) => {
  const database = Database.layer({ url: options.url })
  return Collectors.layer({
    // Tests wait for what happens, and that should be soon. More than 100 searches a minute would exceed the quota of a tenant,
    // and the next owner of the tenant would wait for up to a minute before its first search.
    followEvery: "700 millis",
    visibleWithin: "100 millis",
    pollEvery: "200 millis",
    reclaimAfter: "1 second",
    ...options,
  }).pipe(
    Layer.provideMerge(Layer.mergeAll(Tenants.layer, TenantStatus.layer, OpenRuns.layer, PgQuotaStore.layer)),
    Layer.provide([
      options.cluster ?? Cluster.layer({ url: options.url, runner: options.runner }),
      TransferBounds.layer(options.limits),
      credentials,
      DirectoryObjectStore.layer({ directory: options.objects }).pipe(Layer.provide(NodeLiveResponse.layerFiles)),
    ]),
    Layer.provideMerge(database),
  )
}
