/**
 * Stores the journal of a tenant's sessions in PostgreSQL: a row for each machine of each session, with its last entry.
 *
 * @since 0.1.0
 */
import * as FleetJournal from "@live-response/core/FleetJournal"
import { Session } from "@live-response/core/Session"
import * as SessionIdentity from "@live-response/core/SessionIdentity"
import type { StoreError } from "@live-response/core/StoreError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { Database } from "./Database.ts"
import { KnownRow, selectKnown, toKnown } from "./internal/journalRows.ts"
import * as TenantTables from "./internal/tenantTables.ts"
import type { TenantOwner } from "./TenantOwner.ts"

const encodeSession = Schema.encodeEffect(Schema.fromJsonString(Session))
const encodeEntry = Schema.encodeEffect(Schema.fromJsonString(FleetJournal.Entry))
const EntryRow = Schema.Struct({
  entry: Schema.fromJsonString(FleetJournal.Entry),
  at: Schema.DateTimeUtcFromMillis,
})
const RunRow = Schema.Struct({ run: Schema.String })

/**
 * The runs of a session.
 *
 * @since 0.1.0
 * @category models
 */
export interface Run extends FleetJournal.Run {
  /**
   * The last entry of a machine, without sessions that failed before this time: a run that starts those again finds none.
   *
   * **Details**
   *
   * The time is one of the database, which is also what entries are compared by. So a session that failed later is not started
   * again, also by a runner that resumes the run.
   */
  readonly findRetrying: (failedBefore: DateTime.Utc) => FleetJournal.Run["find"]
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** Opens the runs of a session. A session without runs gets a new id. */
  readonly open: (session: Session) => Effect.Effect<Run, StoreError>
}

const isFailure = (entry: FleetJournal.Entry): boolean => entry.entry === "ended" && entry.action.status !== "Succeeded"

/** The entries of machines in the tables of a tenant. */
const makeEntries = ({ read, write }: TenantTables.TenantTables) => {
  const last = (run: string, machineId: string) =>
    read(
      EntryRow,
      (sql, tenant) => sql`select entry::text as entry, floor(extract(epoch from at) * 1000)::float8 as at
        from live_response.sessions
        where tenant = ${tenant} and run = ${run} and machine_id = ${machineId.toLowerCase()}`,
    ).pipe(Effect.map(([row]) => Option.fromNullishOr(row)))

  const append = Effect.fnUntraced(function* (entry: FleetJournal.Entry) {
    const json = yield* Effect.orDie(encodeEntry(entry))
    const [run, machineId] = [entry.run, entry.machineId.toLowerCase()]
    yield* write(
      TenantTables.Written,
      (sql, owner) => sql`${owner} insert into live_response.sessions (tenant, run, machine_id, entry, epoch)
        select tenant, ${run}, ${machineId}, ${json}::json, epoch from owner
        on conflict (tenant, run, machine_id) do update set entry = excluded.entry, epoch = excluded.epoch, at = now()
        returning 1 as written`,
    )
  })

  return (id: string): Run => ({
    id,
    append,
    find: (machineId) =>
      Effect.map(
        last(id, machineId),
        Option.map(({ entry }) => entry),
      ),
    findRetrying: (failedBefore) => (machineId) =>
      Effect.map(last(id, machineId), (row) =>
        Option.flatMap(row, ({ at, entry }) =>
          isFailure(entry) && DateTime.isLessThan(at, failedBefore) ? Option.none() : Option.some(entry),
        ),
      ),
  })
}

/** The id of the runs of a session, which a session without runs gets now. */
const makeIdentify = ({ read, write }: TenantTables.TenantTables) =>
  Effect.fn("PgFleetJournal.open")(function* (session: Session) {
    const { comment } = session
    const known = yield* read(KnownRow, (sql, tenant) => selectKnown(sql, tenant, comment))
    const run = SessionIdentity.runOf(toKnown(known), session) ?? ""
    const json = yield* Effect.orDie(encodeSession(session))
    const rows = yield* write(
      RunRow,
      (sql, owner) => sql`${owner} insert into live_response.runs
        (tenant, session_sha256, session, comment_sha256, run, epoch)
        select tenant, sha256(convert_to(${json}, 'UTF8')), ${json}::json,
          sha256(convert_to(${JSON.stringify(comment)}, 'UTF8')),
          coalesce(nullif(${run}, ''), replace(gen_random_uuid()::text, '-', '')), epoch from owner
        on conflict (tenant, session_sha256) do update set epoch = excluded.epoch
        returning run`,
    )
    return rows.map((row) => row.run).join("")
  })

/**
 * Makes the journal of the tenant that `TenantOwner` owns. An owner needs one: two spellings of a session that two of them open
 * at once have two runs.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, Database | TenantOwner> = Effect.gen(function* () {
  const tables = yield* TenantTables.make
  const [identify, runOf] = [makeIdentify(tables), makeEntries(tables)]
  // Another owner is refused in between by its epoch.
  const oneAtATime = yield* Semaphore.make(1)
  return { open: (session) => Effect.map(oneAtATime.withPermit(identify(session)), runOf) }
})

/**
 * The journal of the tenant that `TenantOwner` owns.
 *
 * **Details**
 *
 * Each entry carries the epoch of its owner. An owner that another one has replaced fails with the problem `Superseded` where it
 * records that a session is `starting`, so it sends no request: no machine gets two sessions. While the database is away, reading
 * and writing wait.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<FleetJournal.FleetJournal, never, Database | TenantOwner> = Layer.effect(
  FleetJournal.FleetJournal,
  make,
)
