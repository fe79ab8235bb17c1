/**
 * The tenants of a cluster, and which of its owners is the current one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { Database } from "./Database.ts"
import type { DatabaseError } from "./DatabaseError.ts"
import { rowsOf } from "./internal/rows.ts"

/**
 * The id of a tenant in Entra.
 *
 * @since 0.1.0
 * @category models
 */
export const TenantId = Schema.String.pipe(
  Schema.decode(SchemaTransformation.toLowerCase()),
  Schema.check(Schema.isGUID(), Schema.isLowercased()),
  Schema.brand("@live-response/cluster/Tenants/TenantId"),
)

/**
 * @since 0.1.0
 * @category models
 */
export type TenantId = typeof TenantId.Type

/**
 * A tenant of the registry. Its results are collected if it is `enabled`.
 *
 * @since 0.1.0
 * @category models
 */
export const Tenant = Schema.Struct({ tenant: TenantId, name: Schema.String, enabled: Schema.Boolean })

/**
 * @since 0.1.0
 * @category models
 */
export type Tenant = typeof Tenant.Type

/**
 * No such tenant is in the registry, or it is disabled.
 *
 * @since 0.1.0
 * @category errors
 */
export class TenantError extends Schema.TaggedError<TenantError>("@live-response/cluster/Tenants/TenantError")(
  "TenantError",
  { tenant: Schema.String, problem: Schema.Literals(["Unknown", "Disabled"]) },
) {
  override get message(): string {
    return this.problem === "Unknown"
      ? `tenant ${this.tenant} is not in the registry; add it first`
      : `tenant ${this.tenant} is disabled; enable it first`
  }
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The tenants, by their names. */
  readonly list: Effect.Effect<ReadonlyArray<Tenant>, DatabaseError>

  /** Adds a tenant and enables it, or gives the one that is there this name. */
  readonly add: (tenant: TenantId, name: string) => Effect.Effect<void, DatabaseError>

  /** Enables or disables a tenant. What the current owner of a disabled tenant writes is refused at once. */
  readonly enable: (tenant: TenantId, enabled: boolean) => Effect.Effect<void, DatabaseError | TenantError>

  /**
   * Removes a tenant from the registry. What is known of its results stays: it counts if the tenant is added again.
   */
  readonly remove: (tenant: TenantId) => Effect.Effect<void, DatabaseError | TenantError>

  /**
   * Makes the caller the owner of a tenant, and returns its epoch: what an owner with an earlier epoch writes is refused from
   * now on.
   */
  readonly claim: (tenant: TenantId) => Effect.Effect<number, DatabaseError | TenantError>
}

/**
 * The registry of tenants.
 *
 * @since 0.1.0
 * @category services
 */
export class Tenants extends Context.Service<Tenants, Service>()("@live-response/cluster/Tenants") {}

const decodeTenants = rowsOf(Tenant)
const decodeEpochs = rowsOf(Schema.Struct({ epoch: Schema.Int, enabled: Schema.Boolean }))

const unknown = (tenant: string) => new TenantError({ tenant, problem: "Unknown" })

/** Fails if the statement found no tenant. */
const required = (tenant: TenantId) => (rows: ReadonlyArray<unknown>) =>
  rows.length === 0 ? Effect.fail(unknown(tenant)) : Effect.void

/**
 * The registry in the database.
 *
 * **Details**
 *
 * Every change of a tenant starts a new epoch, so that no owner continues with what it knew before.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Tenants, never, Database> = Layer.effect(
  Tenants,
  Effect.gen(function* () {
    const { patiently } = yield* Database
    return {
      list: patiently(
        (sql) => sql`select tenant::text as tenant, name, enabled from live_response.tenants where not removed
          order by name, tenant`,
      ).pipe(Effect.flatMap(decodeTenants)),
      add: (tenant, name) =>
        patiently(
          (sql) => sql`insert into live_response.tenants as t (tenant, name) values (${tenant}::uuid, ${name})
            on conflict (tenant) do update set name = excluded.name, enabled = t.enabled or t.removed, removed = false,
            epoch = t.epoch + 1, updated_at = now()`,
        ).pipe(Effect.asVoid),
      enable: (tenant, enabled) =>
        patiently(
          (sql) => sql`update live_response.tenants set enabled = ${String(enabled)}::boolean, epoch = epoch + 1,
            updated_at = now() where tenant = ${tenant}::uuid and not removed returning 1 as found`,
        ).pipe(Effect.flatMap(required(tenant))),
      remove: (tenant) =>
        patiently(
          (sql) => sql`update live_response.tenants set removed = true, enabled = false, epoch = epoch + 1,
            updated_at = now() where tenant = ${tenant}::uuid and not removed returning 1 as found`,
        ).pipe(Effect.flatMap(required(tenant))),
      claim: Effect.fnUntraced(function* (tenant) {
        const rows = yield* patiently(
          (sql) => sql`update live_response.tenants set epoch = epoch + 1 where tenant = ${tenant}::uuid and not removed
            returning epoch, enabled`,
        ).pipe(Effect.flatMap(decodeEpochs))
        const [claimed] = rows
        if (claimed === undefined) return yield* unknown(tenant)
        return claimed.enabled ? claimed.epoch : yield* new TenantError({ tenant, problem: "Disabled" })
      }),
    }
  }),
)
