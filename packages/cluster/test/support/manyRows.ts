/** Fills the tables of a database with the rows of many tenants, as years of collecting leave them. */
import { createHash } from "node:crypto"
import * as ClusterRun from "@live-response/cluster/ClusterRun"
import * as Database from "@live-response/cluster/Database"
import * as Tenants from "@live-response/cluster/Tenants"
import { MachineActionId } from "@live-response/core/MachineAction"
import { ResultRef } from "@live-response/core/ResultRef"
import { Session } from "@live-response/core/Session"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { other } from "../../../core/test/support/JournalSuite.ts"

const decodeTenant = Schema.decodeSync(Tenants.TenantId)
const decodeAction = Schema.decodeSync(MachineActionId)

/** The tenants count from 0. The first one has a tenth of all results, and the others have as many as each other. */
export const tenantAt = (n: number): Tenants.TenantId =>
  decodeTenant(`00000000-4a11-4000-8000-${String(n).padStart(12, "0")}`)

/** `md5(text)::uuid` of PostgreSQL. */
const uuidOf = (text: string): string =>
  createHash("md5")
    .update(text)
    .digest("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")

/** Result number n of the first tenant. Ids of actions are random, as those of Microsoft are. */
export const resultAt = (n: number): ResultRef =>
  ResultRef.make({ machineActionId: decodeAction(uuidOf(`0 ${n}`)), index: 0 })

export interface Amounts {
  readonly tenants: number
  readonly results: number
  /** How many calls of each tenant the log of its quota has. */
  readonly calls: number
}

/** How many of the results that are numbered through belong to the first tenant. */
const firstShare = 0.1

/** One of a thousand results has failed. They arrived one after the other, the last one now. */
const insertResults = ({ results, tenants }: Amounts, from: number, to: number) => {
  const first = Math.ceil(results * firstShare)
  return `insert into live_response.manifest (tenant, machine_action_id, idx, status, is_package, entry, epoch, at)
    select ('00000000-4a11-4000-8000-' || lpad(t::text, 12, '0'))::uuid, id, 0,
      case when n % 1000 = 7 then 'failed' else 'completed' end, false,
      case when n % 1000 = 7 then json_build_object('status', 'failed', 'version', 1, 'machineActionId', id, 'index', 0,
          'links', 1, 'attempts', 3, 'at', at, 'message', 'the API does not know this result (404)', 'error', null)
        else ('{"status":"completed","version":1,"machineActionId":"' || id || '","index":0,"links":1,"attempts":1,"at":"'
          || to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '","path":"' || id || '/0.bin","bytes":' || n % 100000
          || ',"sha256":"' || md5(n::text) || md5((-n)::text) || '"}')::json end, 1, at
    from generate_series(${from}::int8, ${to}::int8 - 1) n,
      lateral (select case when n < ${first} then 0 else 1 + n % ${tenants - 1} end as t) tenant,
      lateral (select md5(t || ' ' || n)::uuid as id, now() - (${results}::int8 - n) * interval '1 second' as at) made`
}

const session = Schema.encodeSync(Schema.fromJsonString(Session))(other)

/** A run of the first tenant that has finished, without events. The retention does not remove it yet. */
export const runOfQueries = Schema.decodeSync(ClusterRun.RunId)(uuidOf(`run 50${tenantAt(0)}`))

const others = ({ calls, tenants }: Amounts): ReadonlyArray<string> => [
  `insert into live_response.tenants (tenant, name, epoch, storage_prefix)
    select ('00000000-4a11-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'tenant ' || n, 1, 'tenants/' || n
      from generate_series(0, ${tenants - 1}) n`,
  `insert into live_response.quota_calls (log, id, at, lease_until)
    select 'log ' || t, 'x:' || n, now() - n * interval '3 seconds', now()
      from generate_series(0, ${tenants - 1}) t, generate_series(1, ${calls}) n`,
  `insert into live_response.quota_calls (log, id, at, lease_until)
    select 'log nobody opens', 'x:' || n, now() - interval '90 days' - n * interval '1 second', now()
      from generate_series(1, ${calls}) n`,
  `insert into live_response.positions (tenant, key_sha256, key, position, epoch)
    select tenant, sha256(convert_to(n::text, 'UTF8')), '{}'::json, '{"since":"2026-11-01T00:00:00Z","open":[]}'::json, 1
      from live_response.tenants, generate_series(1, 10) n`,
  `insert into live_response.sessions (tenant, run, machine_id, entry, epoch)
    select tenant, 'run ' || n % 10, md5(n::text) || '00000000', '{}'::json, 1
      from live_response.tenants, generate_series(1, 1000) n`,
  `insert into live_response.runs (tenant, session_sha256, session, run, epoch, comment_sha256)
    select tenant, sha256(convert_to(n::text, 'UTF8')), '${session}'::json, 'run ' || n, 1, sha256(convert_to(n::text, 'UTF8'))
      from live_response.tenants, generate_series(1, 100) n`,
  `insert into live_response.tenant_status (tenant, completed, epoch) select tenant, 1000000, 1 from live_response.tenants`,
  // A run of each tenant waits for a runner.
  `insert into live_response.cluster_runs (run, tenant, session, options, machines, submitted_by, state, at, ended_at)
    select md5('run ' || n || tenant)::uuid, tenant, '${session}'::json, '{}'::json, 5, 'soc',
      case when n = 1 then 'queued' else 'finished' end, now() - n * interval '1 day', now() - n * interval '1 day'
      from live_response.tenants, generate_series(1, 100) n`,
  `insert into live_response.cluster_run_machines (run, n, machine_id)
    select run, n, md5(n::text) from live_response.cluster_runs, generate_series(1, 5) n`,
  `insert into live_response.cluster_run_events (run, n, event, epoch)
    select run, n, '{}'::json, 1 from live_response.cluster_runs, generate_series(1, 5) n
      where run <> '${runOfQueries}'::uuid`,
]

const chunk = 1_000_000

/**
 * Fills the database of `Database`, whose role owns it.
 */
export const fill = Effect.fnUntraced(function* (
  amounts: Amounts,
  onProgress: (results: number) => Effect.Effect<void> = () => Effect.void,
) {
  const { query } = yield* Database.Database
  const run = (statement: string) =>
    query((sql: SqlClient): Effect.Effect<unknown, SqlError> => sql.unsafe(statement), { timeout: "2 hours" })
  yield* Effect.forEach(others(amounts), run, { discard: true })
  const starts = Array.from({ length: Math.ceil(amounts.results / chunk) }, (_, i) => i * chunk)
  yield* Effect.forEach(
    starts,
    (from) => {
      const to = Math.min(from + chunk, amounts.results)
      return Effect.andThen(run(insertResults(amounts, from, to)), onProgress(to))
    },
    { discard: true },
  )
})
