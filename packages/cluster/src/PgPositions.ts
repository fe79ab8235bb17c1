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
/** When the server started: another one has another time. */
const Server = Schema.Struct({ server: Schema.String })
const Found = Schema.Struct({ ...Server.fields, position: Schema.NullOr(Schema.fromJsonString(Position)) })

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
    let latest: string | undefined
    let isAnother = false
    const meet = (rows: ReadonlyArray<typeof Server.Type>) => {
      for (const { server } of rows) {
        if (latest !== undefined && latest !== server) isAnother = true
        latest = server
      }
    }
    return {
      mayHaveLost: Effect.sync(() => {
        const may = isAnother
        isAnother = false
        return may
      }),
      find: (key) =>
        read(
          Found,
          (sql, tenant) => sql`select pg_postmaster_start_time()::text as server, (select position::text
            from live_response.positions where tenant = ${tenant} and key_sha256 = sha256(convert_to(${JSON.stringify(key)}, 'UTF8'))
          ) as position`,
        ).pipe(
          Effect.tap((rows) => Effect.sync(() => meet(rows))),
          Effect.map(([row]) => Option.fromNullishOr(row?.position)),
        ),
      save: Effect.fnUntraced(function* (key, position) {
        const [what, json] = [JSON.stringify(key), yield* Effect.orDie(encode(position))]
        const saved = yield* write(
          Server,
          (sql, owner) => sql`${owner} insert into live_response.positions (tenant, key_sha256, key, position, epoch)
            select tenant, sha256(convert_to(${what}, 'UTF8')), ${what}::json, ${json}::json, epoch from owner
            on conflict (tenant, key_sha256) do update set position = excluded.position, epoch = excluded.epoch,
              updated_at = now()
            returning pg_postmaster_start_time()::text as server`,
        )
        meet(saved)
      }),
    }
  }),
)
