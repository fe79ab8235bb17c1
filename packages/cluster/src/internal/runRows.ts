/** The rows of runs that were given to the cluster. */
import { Session } from "@live-response/core/Session"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import { type ClusterRun, Counts, Failure, RunEvent, RunId, State } from "../ClusterRun.ts"
import { TenantId } from "../Tenants.ts"

export const SessionJson = Schema.fromJsonString(Session)

export const encodeSession = Schema.encodeEffect(SessionJson)
export const encodeCounts = Schema.encodeEffect(Schema.fromJsonString(Counts))
export const encodeFailure = Schema.encodeEffect(Schema.fromJsonString(Failure))
export const encodeEvents = Schema.encodeEffect(Schema.fromJsonString(Schema.Array(RunEvent)))

export const EventRow = Schema.Struct({ n: Schema.Int, event: Schema.fromJsonString(RunEvent) })

const Time = Schema.NullOr(Schema.DateTimeUtcFromMillis)

export const RunRow = Schema.Struct({
  run: RunId,
  tenant: TenantId,
  tenantName: Schema.String,
  tenantEnabled: Schema.Boolean,
  session: SessionJson,
  machines: Schema.Int,
  submittedBy: Schema.String,
  state: State,
  isCancelling: Schema.Boolean,
  counts: Schema.NullOr(Schema.fromJsonString(Counts)),
  error: Schema.NullOr(Schema.fromJsonString(Failure)),
  at: Schema.DateTimeUtcFromMillis,
  startedAt: Time,
  endedAt: Time,
})

/** What is counted before the first event. */
const noCounts: Counts = {
  started: 0,
  succeeded: 0,
  failed: 0,
  unfinished: 0,
  notStarted: 0,
  completed: 0,
  failedResults: 0,
}

export const toRun = ({ counts, endedAt, error, startedAt, ...row }: typeof RunRow.Type): ClusterRun => ({
  ...row,
  counts: counts ?? noCounts,
  ...(error === null ? {} : { error }),
  ...(startedAt === null ? {} : { startedAt }),
  ...(endedAt === null ? {} : { endedAt }),
})

/** Each run, as `RunRow`. What follows is its condition and order. */
export const select = (sql: SqlClient) => {
  const millis = (column: string) => sql`floor(extract(epoch from run.${sql(column)}) * 1000)::float8`
  return sql`select run.run::text as run, run.tenant::text as tenant, tenant.name as "tenantName",
      tenant.enabled as "tenantEnabled", run.session::text as session, run.machines, run.submitted_by as "submittedBy", run.state,
      run.is_cancelling as "isCancelling", run.counts::text as counts, run.error::text as error,
      ${millis("at")} as at, ${millis("started_at")} as "startedAt", ${millis("ended_at")} as "endedAt"
    from live_response.cluster_runs run join live_response.tenants tenant using (tenant)`
}
