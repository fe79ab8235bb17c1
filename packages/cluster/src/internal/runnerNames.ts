/** The names of runners in `pg_stat_activity`: a runner is alive as long as PostgreSQL hears from a connection with its name. */
import type { SqlClient } from "effect/sql/SqlClient"

/** The name of a runner's connections. It is cut at 63 bytes, so that of a runner must be shorter. */
export const applicationName = (runner: string): string => `live-response ${runner}`

/** How long a runner may be silent before the others take what it has. It refreshes its locks three times as often. */
export const lockExpiration = "14 seconds"

const prefix = applicationName("")

/**
 * Whether a connection of `pg_stat_activity` is one to this database. A role that may connect to another database of the server can give its
 * connections any name.
 */
export const isOfDatabase = (sql: SqlClient) => sql`datname = current_database()`

/**
 * The names of the runners that are alive in this database, as one array of JSON.
 *
 * The connections of a runner that is frozen, or whose machine lost its power or its network, stay for hours, but are silent. To a role
 * that may not read the activity of the runners' role, every connection counts.
 */
export const alive = (sql: SqlClient) => sql`(
  select coalesce(json_agg(name), '[]') from (
    select substr(application_name, ${String(prefix.length + 1)}::int) as name
      from pg_stat_activity where application_name like ${`${prefix}%`}
        and ${isOfDatabase(sql)}
      group by application_name having coalesce(max(state_change), now()) > now() - ${lockExpiration}::interval
      order by application_name) as runners)`
