import type * as Database from "@live-response/cluster/Database"
import * as TenantOwner from "@live-response/cluster/TenantOwner"
import * as Tenants from "@live-response/cluster/Tenants"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { named, newTenant } from "./newTenants.ts"
import { sharedServer } from "./server.ts"

export { named, newTenant }

export const registry: Layer.Layer<Tenants.Tenants | Database.Database> = Tenants.layer.pipe(
  Layer.provideMerge(sharedServer),
)

/** A new owner of a tenant, each time that it is built. */
export const ownerOf = (
  tenant: Tenants.TenantId,
  runner?: string,
): Layer.Layer<TenantOwner.TenantOwner | Database.Database> =>
  Layer.fresh(Layer.orDie(TenantOwner.layer(tenant, runner).pipe(Layer.provideMerge(registry))))

/** The owner of a new tenant. */
export const ownerOfNew: Layer.Layer<TenantOwner.TenantOwner | Database.Database> = Layer.unwrap(
  Effect.gen(function* () {
    const tenant = newTenant()
    yield* Effect.orDie(Tenants.Tenants.use(({ add }) => add(tenant, named("a tenant of a test"))))
    return ownerOf(tenant)
  }),
).pipe(Layer.provide(registry))
