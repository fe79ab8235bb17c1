/**
 * The ownership of a tenant: who writes to its tables.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DatabaseError } from "./DatabaseError.ts"
import { type TenantError, type TenantId, Tenants } from "./Tenants.ts"

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  readonly tenant: TenantId

  /** Each owner of a tenant has a higher one than those before it. */
  readonly epoch: number
}

/**
 * The owner of a tenant. Its stores carry the epoch in every write, and PostgreSQL refuses that of an earlier owner with a
 * `StoreError` whose problem is `Superseded`, so a frozen program that continues can change nothing.
 *
 * @since 0.1.0
 * @category services
 */
export class TenantOwner extends Context.Service<TenantOwner, Service>()("@live-response/cluster/TenantOwner") {}

/**
 * Becomes the owner of a tenant. PostgreSQL refuses the writes of every earlier owner from now on, and `TenantStatus` shows the runner
 * that is given.
 *
 * **Gotchas**
 *
 * Build it once for each start of the tenant's work. A program that is refused must not build it again by itself: its successor
 * would be refused then, and the two would take the tenant from each other.
 *
 * What is built over it, such as `PgManifest.layer`, is a constant. A program that owns several tenants wraps the layers of each in
 * `Layer.fresh`, or else the second tenant gets the stores of the first.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  tenant: TenantId,
  runner?: string,
): Layer.Layer<TenantOwner, DatabaseError | TenantError, Tenants> =>
  Layer.effect(
    TenantOwner,
    Effect.flatMap(Tenants, ({ claim }) => Effect.map(claim(tenant, runner), (epoch) => ({ tenant, epoch }))),
  )
