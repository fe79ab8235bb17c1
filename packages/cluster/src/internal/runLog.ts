/** Reads and writes the runs of a tenant as its owner. */
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as ManifestEntry from "@live-response/core/ManifestEntry"
import * as ResultEvent from "@live-response/core/ResultEvent"
import type { ResultRef } from "@live-response/core/ResultRef"
import type { Session } from "@live-response/core/Session"
import type { StoreError } from "@live-response/core/StoreError"
import * as Arr from "effect/Array"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Counts, type Failure, type RunEvent, type RunId, RunOptions } from "../ClusterRun.ts"
import * as RunRows from "./runRows.ts"
import * as TenantTables from "./tenantTables.ts"

/** A run that this owner executes from now on. */
export interface Started {
  readonly session: Session
  readonly options: RunOptions
  /** When it was submitted, by the database's clock. */
  readonly at: DateTime.Utc
}

const StartedRow = Schema.Struct({
  session: Schema.NullOr(RunRows.SessionJson),
  options: Schema.NullOr(Schema.fromJsonString(RunOptions)),
  at: Schema.NullOr(Schema.DateTimeUtcFromMillis),
})

const AgeRow = Schema.Struct({ age: Schema.DurationFromMillis })

const MachineRow = Schema.Struct({ n: Schema.Int, machineId: Schema.String })

const SessionRow = Schema.Struct({ n: Schema.Int, entry: Schema.fromJsonString(FleetJournal.Entry) })

const CompletedRow = Schema.Struct({ entry: Schema.fromJsonString(ManifestEntry.Completed) })

/** The event that a row of the manifest records. Every row of a cluster has its time. */
const completedOf = ({ entry }: typeof CompletedRow.Type) => {
  const { at, status: _, version: _version, ...event } = entry
  return at === undefined ? [] : [ResultEvent.Completed.make({ ...event, at })]
}

const pageSize = 1000

export interface RunLog {
  /** Records that this owner executes the run. None if it has finished or was cancelled. */
  readonly start: (run: RunId) => Effect.Effect<Option.Option<Started>, StoreError>

  /** How long ago it was submitted, by the database's clock: those of the machines differ. */
  readonly age: (run: RunId) => Effect.Effect<Duration.Duration, StoreError>

  /** The ids of the machines. */
  readonly machines: (run: RunId) => Stream.Stream<string, StoreError>

  /** The stored events, each with its number. */
  readonly events: (run: RunId) => Stream.Stream<typeof RunRows.EventRow.Type, StoreError>

  /** What the journal has of the machines since the run has started. */
  readonly sessions: (run: RunId) => Stream.Stream<FleetJournal.Entry, StoreError>

  /** Those of the results that the manifest has as completed, as the events of their completion. */
  readonly completed: (
    refs: ReadonlyArray<ResultRef>,
  ) => Effect.Effect<ReadonlyArray<ResultEvent.Completed>, StoreError>

  /** Stores events: the first one has the number `first`. */
  readonly append: (
    run: RunId,
    first: number,
    events: ReadonlyArray<RunEvent>,
    counts: Counts,
  ) => Effect.Effect<void, StoreError>

  readonly end: (
    run: RunId,
    state: "finished" | "failed" | "cancelled",
    error?: Failure,
  ) => Effect.Effect<void, StoreError>
}

/** All rows of a statement that gives those after a number. */
const pages = <A extends { readonly n: number }>(
  read: (last: number) => Effect.Effect<ReadonlyArray<A>, StoreError>,
): Stream.Stream<A, StoreError> =>
  Stream.paginate(0, (last) =>
    Effect.map(read(last), (rows) => {
      const next = rows.length < pageSize ? undefined : rows.at(-1)?.n
      return [rows, Option.fromUndefinedOr(next)] as const
    }),
  )

const makeReads = ({
  read,
}: TenantTables.TenantTables): Pick<RunLog, "age" | "machines" | "events" | "sessions" | "completed"> => ({
  age: (run) =>
    read(
      AgeRow,
      (sql, tenant) => sql`select floor(extract(epoch from now() - at) * 1000)::float8 as age
        from live_response.cluster_runs where run = ${run}::uuid and tenant = ${tenant}`,
    ).pipe(Effect.map(([row]) => row?.age ?? Duration.zero)),

  machines: (run) =>
    pages((last) =>
      read(
        MachineRow,
        (sql) => sql`select n, machine_id as "machineId" from live_response.cluster_run_machines
            where run = ${run}::uuid and n > ${String(last)}::int order by n limit ${String(pageSize)}::int`,
      ),
    ).pipe(Stream.map(({ machineId }) => machineId)),

  events: (run) =>
    pages((last) =>
      read(
        RunRows.EventRow,
        (sql) => sql`select n, event::text as event from live_response.cluster_run_events
            where run = ${run}::uuid and n > ${String(last)}::int order by n limit ${String(pageSize)}::int`,
      ),
    ),

  sessions: (run) =>
    pages((last) =>
      read(
        SessionRow,
        (sql, tenant) => sql`select machine.n, session.entry::text as entry
            from live_response.cluster_runs run
            join live_response.runs known on known.tenant = run.tenant
              and known.session_sha256 = sha256(convert_to(run.session::text, 'UTF8'))
            join live_response.cluster_run_machines machine on machine.run = run.run
            join live_response.sessions session on session.tenant = run.tenant and session.run = known.run
              and session.machine_id = machine.machine_id
            where run.run = ${run}::uuid and run.tenant = ${tenant} and session.at >= run.started_at
              and machine.n > ${String(last)}::int order by machine.n limit ${String(pageSize)}::int`,
      ),
    ).pipe(Stream.map(({ entry }) => entry)),

  completed: (refs) =>
    Effect.forEach(Arr.chunksOf(refs, pageSize), (page) => {
      const json = JSON.stringify(page.map(({ index, machineActionId }) => ({ action: machineActionId, idx: index })))
      return read(
        CompletedRow,
        (sql, tenant) => sql`select result.entry::text as entry
            from json_to_recordset(${json}::json) as ref (action uuid, idx int) join live_response.manifest result
              on result.tenant = ${tenant} and result.machine_action_id = ref.action and result.idx = ref.idx
            where result.status = 'completed'`,
      )
    }).pipe(Effect.map((pages) => pages.flat().flatMap(completedOf))),
})

const makeStart = ({ write }: TenantTables.TenantTables): Pick<RunLog, "start"> => ({
  start: (run) =>
    write(
      StartedRow,
      (sql, owner) => sql`${owner}, started as (
          update live_response.cluster_runs run set state = 'running', epoch = owner.epoch,
            started_at = coalesce(run.started_at, now()) from owner
            where run.run = ${run}::uuid and run.tenant = owner.tenant and run.state in ('queued', 'running')
              and not run.is_cancelling
            returning run.session::text as session, run.options::text as options,
              floor(extract(epoch from run.at) * 1000)::float8 as at)
          select session, options, at from owner left join started on true`,
    ).pipe(
      Effect.map(([row]) =>
        row?.session && row.options && row.at
          ? Option.some({ session: row.session, options: row.options, at: row.at })
          : Option.none(),
      ),
    ),
})

const makeWrites = ({ write }: TenantTables.TenantTables): Pick<RunLog, "append" | "end"> => ({
  append: Effect.fnUntraced(function* (run, first, events, counts) {
    const json = yield* Effect.orDie(RunRows.encodeEvents(events))
    const countsJson = yield* Effect.orDie(RunRows.encodeCounts(counts))
    yield* write(
      TenantTables.Written,
      (sql, owner) => sql`${owner}, counted as (
          update live_response.cluster_runs run set counts = ${countsJson}::json, epoch = owner.epoch from owner
            where run.run = ${run}::uuid and run.tenant = owner.tenant returning run.run, run.epoch),
          added as (insert into live_response.cluster_run_events (run, n, event, epoch)
            select counted.run, ${String(first - 1)}::int + event.n, event.json, counted.epoch
              from counted, json_array_elements(${json}::json) with ordinality as event (json, n)
            on conflict (run, n) do nothing)
          select 1 as written from counted`,
    )
  }),

  end: Effect.fnUntraced(function* (run, state, error) {
    const json = error === undefined ? "" : yield* Effect.orDie(RunRows.encodeFailure(error))
    yield* write(
      TenantTables.Written,
      (sql, owner) => sql`${owner}, ended as (
          update live_response.cluster_runs run set state = ${state}, error = nullif(${json}, '')::json, epoch = owner.epoch,
            ended_at = now() from owner
            where run.run = ${run}::uuid and run.tenant = owner.tenant and run.state in ('queued', 'running'))
          select 1 as written from owner`,
    )
  }),
})

export const make = Effect.map(TenantTables.make, (tables): RunLog => ({
  ...makeReads(tables),
  ...makeStart(tables),
  ...makeWrites(tables),
}))
