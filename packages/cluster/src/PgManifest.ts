/**
 * Stores the manifest of a tenant in PostgreSQL: a row for each result, with its last outcome.
 *
 * @since 0.1.0
 */
import * as Manifest from "@live-response/core/Manifest"
import { ManifestEntry, fromEvent } from "@live-response/core/ManifestEntry"
import { MachineActionId } from "@live-response/core/MachineAction"
import { ResultRef } from "@live-response/core/ResultRef"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Database } from "./Database.ts"
import * as TenantTables from "./internal/tenantTables.ts"
import type { TenantOwner } from "./TenantOwner.ts"

const encodeEntry = Schema.encodeEffect(Schema.fromJsonString(ManifestEntry))
const EntryRow = Schema.Struct({ entry: Schema.fromJsonString(ManifestEntry) })
const FailedRow = Schema.Struct({ machineActionId: MachineActionId, index: Schema.Int, isPackage: Schema.Boolean })

/** Counts what `put` has changed. A row that is written twice replaces itself, and changes no count. */
const counted = (sql: SqlClient) => sql`changes as (
  select tenant, (status = 'completed')::int - coalesce((replaced_status = 'completed')::int, 0) as completed,
    (status = 'failed')::int - coalesce((replaced_status = 'failed')::int, 0) as failed,
    bytes - coalesce(replaced_bytes, 0) as bytes, case when status = 'completed' then now() end as completed_at from put),
  counted as (insert into live_response.tenant_status as s (tenant, completed, failed, bytes, completed_at)
    select tenant, completed, failed, bytes, completed_at from changes
    on conflict (tenant) do update set completed = s.completed + excluded.completed, failed = s.failed + excluded.failed,
      bytes = s.bytes + excluded.bytes, completed_at = coalesce(excluded.completed_at, s.completed_at))`

/**
 * The manifest of the tenant that `TenantOwner` owns.
 *
 * **Details**
 *
 * Nothing is in memory but the row that is read. While the database is away, reading and writing wait. A write of an owner that
 * another one has replaced fails with the problem `Superseded`, which ends its batch.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Manifest.Manifest, never, Database | TenantOwner> = Layer.effect(
  Manifest.Manifest,
  Effect.gen(function* () {
    const { read, write } = yield* TenantTables.make
    return {
      find: ({ index, machineActionId }) =>
        read(
          EntryRow,
          (sql, tenant) => sql`select entry::text as entry from live_response.manifest
            where tenant = ${tenant} and machine_action_id = ${machineActionId}::uuid and idx = ${String(index)}::int`,
        ).pipe(Effect.map(([row]) => Option.fromNullishOr(row && Manifest.outcomeOf(row.entry)))),
      append: Effect.fnUntraced(function* (event) {
        const entry = fromEvent(event)
        const json = yield* Effect.orDie(encodeEntry(entry))
        const { index, machineActionId, status } = entry
        const bytes = entry.status === "completed" ? entry.bytes : 0
        yield* write(
          TenantTables.Written,
          (sql, owner) => sql`${owner}, put as (
            insert into live_response.manifest
              (tenant, machine_action_id, idx, status, is_package, bytes, entry, epoch)
            select tenant, ${machineActionId}::uuid, ${String(index)}::int, ${status}, ${String(entry.isPackage === true)}::boolean,
              ${String(bytes)}::bigint, ${json}::json, epoch from owner
            on conflict (tenant, machine_action_id, idx) do update set status = excluded.status, entry = excluded.entry,
              is_package = manifest.is_package or excluded.is_package, epoch = excluded.epoch, at = now(),
              bytes = excluded.bytes, replaced_status = manifest.status, replaced_bytes = manifest.bytes
            returning *), ${counted(sql)}
            select 1 as written from put`,
        )
      }),
      failed: read(
        FailedRow,
        (
          sql,
          tenant,
        ) => sql`select machine_action_id::text as "machineActionId", idx as index, is_package as "isPackage"
          from live_response.manifest where tenant = ${tenant} and status = 'failed' order by machine_action_id, idx`,
      ).pipe(
        Effect.map((rows) =>
          rows.map(({ isPackage, ...row }) => {
            const ref = ResultRef.make(row)
            return isPackage ? Manifest.asPackage(ref) : ref
          }),
        ),
      ),
    }
  }),
)
