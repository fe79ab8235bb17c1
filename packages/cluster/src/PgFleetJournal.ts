/**
 * Stores the journal of a tenant's sessions in PostgreSQL: a row for each machine of each session, with its last entry.
 *
 * @since 0.1.0
 */
import * as FleetJournal from "@live-response/core/FleetJournal"
import { Session } from "@live-response/core/Session"
import * as SessionIdentity from "@live-response/core/SessionIdentity"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { Database } from "./Database.ts"
import * as TenantTables from "./internal/tenantTables.ts"
import type { TenantOwner } from "./TenantOwner.ts"

const encodeSession = Schema.encodeEffect(Schema.fromJsonString(Session))
const encodeEntry = Schema.encodeEffect(Schema.fromJsonString(FleetJournal.Entry))
const EntryRow = Schema.Struct({ entry: Schema.fromJsonString(FleetJournal.Entry) })
const KnownRow = Schema.Struct({ run: Schema.String, session: Schema.fromJsonString(Session) })
const RunRow = Schema.Struct({ run: Schema.String })

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
  Effect.gen(function* () {
    const { read, write } = yield* TenantTables.make

    const find = (run: string) => (machineId: string) =>
      read(
        EntryRow,
        (sql, tenant) => sql`select entry::text as entry from live_response.sessions
          where tenant = ${tenant} and run = ${run} and machine_id = ${machineId.toLowerCase()}`,
      ).pipe(Effect.map(([row]) => Option.fromNullishOr(row?.entry)))

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

    const knownRuns = (comment: string) =>
      read(
        KnownRow,
        (sql, tenant) => sql`select run, session::text as session from live_response.runs
          where tenant = ${tenant} and (comment_sha256 is null
            or comment_sha256 = sha256(convert_to(${JSON.stringify(comment)}, 'UTF8'))) order by opened`,
      ).pipe(Effect.map((rows) => rows.map(({ run, session: { commands, comment } }) => ({ run, commands, comment }))))

    const open = Effect.fn("PgFleetJournal.open")(function* (session: Session) {
      const json = yield* Effect.orDie(encodeSession(session))
      const run = SessionIdentity.runOf(yield* knownRuns(session.comment), session) ?? ""
      const rows = yield* write(
        RunRow,
        (
          sql,
          owner,
        ) => sql`${owner} insert into live_response.runs (tenant, session_sha256, session, comment_sha256, run, epoch)
          select tenant, sha256(convert_to(${json}, 'UTF8')), ${json}::json,
            sha256(convert_to(${JSON.stringify(session.comment)}, 'UTF8')),
            coalesce(nullif(${run}, ''), replace(gen_random_uuid()::text, '-', '')), epoch from owner
          on conflict (tenant, session_sha256) do update set epoch = excluded.epoch
          returning run`,
      )
      const id = rows.map(({ run }) => run).join("")
      return { id, append, find: find(id) }
    })

    // Two spellings of one session that are opened at once have one run. Another owner is refused in between by its epoch.
    const oneAtATime = yield* Semaphore.make(1)
    return { open: (session) => oneAtATime.withPermit(open(session)) }
  }),
)
