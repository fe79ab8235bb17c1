/**
 * Claims of tenants. Those that a runner makes together are one statement: one that takes over a hundred tenants is busy, hears from
 * PostgreSQL a few times a second, and would wait for each.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Service as Database } from "../Database.ts"
import type { DatabaseError } from "../DatabaseError.ts"
import { rowsOf } from "./rows.ts"

const Claimed = Schema.Struct({ tenant: Schema.String, epoch: Schema.Int, enabled: Schema.Boolean })

const decode = rowsOf(Claimed)

/** A tenant that was claimed, or one that is not in the registry. */
type Answer = typeof Claimed.Type | undefined

class Claim extends Request.TaggedClass("Claim")<
  { readonly tenant: string; readonly runner: string | null },
  Answer,
  DatabaseError
> {}

/**
 * Makes the next owner of tenants, and records its runner. `lock` decides what happens to a tenant whose row is locked: its former
 * owner may be frozen in the middle of a write.
 */
const claimed = (tenants: ReadonlyArray<string>, runner: string | null, lock: "skip locked" | "") => (sql: SqlClient) =>
  sql`with free as (
    select tenant from live_response.tenants where tenant = any (${`{${tenants.join(",")}}`}::uuid[]) and not removed
      order by tenant for no key update ${sql.literal(lock)}),
  owner as (
    update live_response.tenants t set epoch = epoch + 1 from free where t.tenant = free.tenant
      returning t.tenant, t.epoch, t.enabled),
  status as (
    insert into live_response.tenant_status (tenant, epoch, runner, started_at)
      select tenant, epoch, ${runner}::text, now() from owner where enabled and ${runner}::text is not null
      on conflict (tenant) do update set (epoch, runner, started_at) = (excluded.epoch, excluded.runner, excluded.started_at))
  select tenant::text as tenant, epoch, enabled from owner`

/** Claims a tenant, together with others that are claimed at the same time. */
export const make = ({ patiently }: Pick<Database, "patiently">) => {
  const claim = (tenants: ReadonlyArray<string>, runner: string | null, lock: "skip locked" | "") =>
    // A runner that takes tenants over has hundreds of other statements that wait for a connection.
    Effect.flatMap(patiently(claimed(tenants, runner, lock), { isUrgent: lock === "skip locked" }), decode)

  /** Waits for the lock of the tenant, and holds up no other. */
  const claimAlone = (entry: Request.Entry<Claim>) =>
    claim([entry.request.tenant], entry.request.runner, "").pipe(
      Effect.map(([row]): Answer => row),
      Effect.exit,
      Effect.map((exit) => entry.completeUnsafe(exit)),
    )

  const resolver = RequestResolver.makeGrouped<Claim, string | null>({
    key: ({ request }) => request.runner,
    resolver: Effect.fnUntraced(function* (entries, runner) {
      const tenants = entries.map(({ request }) => request.tenant)
      const rows = tenants.length === 1 ? [] : yield* claim(tenants, runner, "skip locked")
      const free = new Map(rows.map((row) => [row.tenant, row]))
      const answer = (entry: Request.Entry<Claim>) => {
        const row = free.get(entry.request.tenant)
        if (row === undefined) return claimAlone(entry)
        // Another claim of the same tenant makes its next owner.
        free.delete(row.tenant)
        return Effect.sync(() => entry.completeUnsafe(Exit.succeed(row)))
      }
      yield* Effect.forEach(entries, answer, { concurrency: "unbounded", discard: true })
    }),
  })

  return (tenant: string, runner: string | undefined): Effect.Effect<Answer, DatabaseError> =>
    Effect.request(new Claim({ tenant, runner: runner ?? null }), resolver)
}
