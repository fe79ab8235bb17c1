/** The rights of the roles that do not own the schema. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

const Privilege = Schema.Literals(["SELECT", "INSERT", "UPDATE", "DELETE"])

/** What a role may do with every table. */
const Grant = Schema.Struct({ role: Schema.String, privileges: Schema.NonEmptyArray(Privilege) })

export type Grant = typeof Grant.Type

const decodeGrants = Schema.decodeUnknownEffect(Schema.Array(Grant))

/** What runners need. */
const privilegesOfRunners: Grant["privileges"] = ["SELECT", "INSERT", "UPDATE", "DELETE"]

export const ofRunners = (role: string): Grant => ({ role, privileges: privilegesOfRunners })

/**
 * What each role may do with all tables now: in a step of the schema it needs the same for the tables that are new. The rights of
 * a role for some of the tables are not among them, and neither is what everybody may do.
 */
export const existing = Effect.fnUntraced(function* (sql: SqlClient): Effect.fn.Return<ReadonlyArray<Grant>, SqlError> {
  const rows = yield* sql`
    with tables as (
      select c.oid, c.relacl, c.relowner from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'live_response' and c.relkind in ('r', 'p') and c.relname <> 'migrations'
    ), granted as (
      select a.grantee, a.privilege_type from tables t cross join aclexplode(t.relacl) a
      where a.grantee <> t.relowner and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
      group by a.grantee, a.privilege_type having count(distinct t.oid) = (select count(*) from tables)
    )
    select r.rolname as role, json_agg(g.privilege_type order by g.privilege_type) as privileges
    from granted g join pg_roles r on r.oid = g.grantee group by r.rolname order by r.rolname`
  return yield* Effect.orDie(decodeGrants(rows))
})

/** What a role lacks: the names of privileges, and of the tables and sequences that it lacks one of them for. */
export interface Lack {
  readonly role: string
  readonly privileges: ReadonlyArray<string>
  readonly relations: ReadonlyArray<string>
}

const decodeLack = Schema.decodeUnknownEffect(
  Schema.Tuple([
    Schema.Struct({
      role: Schema.String,
      privileges: Schema.Array(Schema.String),
      relations: Schema.Array(Schema.String),
    }),
  ]),
)

/**
 * What the role of this connection lacks of what runners need. Rights for a partition are needed by nobody who has them for its table, and
 * no runner writes what the versions are.
 */
export const lackOf = Effect.fnUntraced(function* (sql: SqlClient): Effect.fn.Return<Lack, SqlError> {
  const wanted = privilegesOfRunners.join(",")
  const rows = yield* sql`
    with lacking as (
      select c.relname, lower(p.privilege) as privilege
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
        cross join unnest(case c.relkind when 'S' then array['USAGE'] else string_to_array(${wanted}, ',') end) p (privilege)
      where n.nspname = 'live_response' and c.relkind in ('r', 'p', 'S')
        and not c.relispartition and c.relname not like '%migrations'
        and not case c.relkind when 'S' then has_sequence_privilege(c.oid, p.privilege)
          else has_table_privilege(c.oid, p.privilege) end
    )
    select current_user::text as role,
      coalesce(json_agg(distinct privilege), '[]') as privileges, coalesce(json_agg(distinct relname), '[]') as relations
    from lacking`
  const [lack] = yield* Effect.orDie(decodeLack(rows))
  return lack
})

/** The statements that give a role these rights for every table. What the versions are is for the owner alone to write. */
export const statements = ({ privileges, role }: Grant): ReadonlyArray<string> => {
  const quoted = `"${role.replaceAll('"', '""')}"`
  return [
    `grant usage on schema live_response to ${quoted}`,
    `grant ${privileges.join(", ")} on all tables in schema live_response to ${quoted}`,
    ...(privileges.includes("INSERT") ? [`grant usage on all sequences in schema live_response to ${quoted}`] : []),
    `revoke insert, update, delete on live_response.migrations from ${quoted}`,
  ]
}
