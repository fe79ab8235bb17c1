/** The names of runners in `pg_stat_activity`: a runner is alive as long as PostgreSQL has a connection with its name. */
import type { SqlClient } from "effect/sql/SqlClient"

/** The name of a runner's connections. It is cut at 63 bytes, so that of a runner must be shorter. */
export const applicationName = (runner: string): string => `live-response ${runner}`

const prefix = applicationName("")

/** The names of the runners that are alive in this database, as one array of JSON. */
export const alive = (sql: SqlClient) => sql`(
  select coalesce(json_agg(distinct substr(application_name, ${String(prefix.length + 1)}::int)), '[]')
    from pg_stat_activity where application_name like ${`${prefix}%`}
      and datid = (select datid from pg_stat_activity where pid = pg_backend_pid()))`
