/**
 * Stores in PostgreSQL how far each selection of a tenant has been followed.
 *
 * @since 0.1.0
 */
import { Position } from "@live-response/core/ActionFeed"
import { FollowPosition } from "@live-response/core/FollowPosition"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Database } from "./Database.ts"
import * as TenantTables from "./internal/tenantTables.ts"
import type { TenantOwner } from "./TenantOwner.ts"

const encode = Schema.encodeEffect(Schema.fromJsonString(Position))
const Row = Schema.Struct({ position: Schema.fromJsonString(Position) })
const Saved = Schema.Struct({ server: Schema.String })

/**
 * The positions of the tenant that `TenantOwner` owns.
 *
 * **Details**
 *
 * While the database is away, reading and writing wait. A write of an owner that another one has replaced fails with the problem
 * `Superseded`, which ends what it follows.
 *
 * A server that started since the last write may be the one that took over from another, and may lack what that one had accepted
 * last: what was handled lately is then checked again.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<FollowPosition, never, Database | TenantOwner> = Layer.effect(
  FollowPosition,
  Effect.gen(function* () {
    const { read, write } = yield* TenantTables.make
    const server = { startedAt: "", isAnother: false }
    return {
      mayHaveLost: Effect.sync(() => {
        const { isAnother } = server
        server.isAnother = false
        return isAnother
      }),
      find: (key) =>
        read(
          Row,
          (sql, tenant) => sql`select position::text as position from live_response.positions
            where tenant = ${tenant} and key_sha256 = sha256(convert_to(${JSON.stringify(key)}, 'UTF8'))`,
        ).pipe(Effect.map(([row]) => Option.fromNullishOr(row?.position))),
      save: Effect.fnUntraced(function* (key, position) {
        const [what, json] = [JSON.stringify(key), yield* Effect.orDie(encode(position))]
        const [saved] = yield* write(
          Saved,
          (sql, owner) => sql`${owner} insert into live_response.positions (tenant, key_sha256, key, position, epoch)
            select tenant, sha256(convert_to(${what}, 'UTF8')), ${what}::json, ${json}::json, epoch from owner
            on conflict (tenant, key_sha256) do update set position = excluded.position, epoch = excluded.epoch,
              updated_at = now()
            returning pg_postmaster_start_time()::text as server`,
        )
        if (saved === undefined) return
        if (server.startedAt !== "" && server.startedAt !== saved.server) server.isAnother = true
        server.startedAt = saved.server
      }),
    }
  }),
)
