/**
 * Executes the runs that were given to the cluster for a tenant.
 *
 * @since 0.1.0
 */
import type { ActionWatch } from "@live-response/core/ActionWatch"
import type { BatchEvent } from "@live-response/core/BatchEvent"
import * as BatchError from "@live-response/core/BatchError"
import { DefectError } from "@live-response/core/DefectError"
import type { DefenderApi } from "@live-response/core/DefenderApi"
import * as Fleet from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import { FleetJournal } from "@live-response/core/FleetJournal"
import { type BatchOptions, LiveResponse } from "@live-response/core/LiveResponse"
import * as ResultRef from "@live-response/core/ResultRef"
import * as StoreError from "@live-response/core/StoreError"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { RunEvent, RunId } from "./ClusterRun.ts"
import type { Database } from "./Database.ts"
import { endEarly } from "./internal/runEnd.ts"
import * as RunEvents from "./internal/runEvents.ts"
import * as RunLog from "./internal/runLog.ts"
import { OpenRuns } from "./OpenRuns.ts"
import * as PgFleetJournal from "./PgFleetJournal.ts"
import { TenantOwner } from "./TenantOwner.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options extends Omit<BatchOptions, "again" | "giveUpAfter"> {
  /** How many runs of the tenant are executed at once. The others wait in order. By default 4. */
  readonly runs?: number | undefined
}

/**
 * What it needs of the tenant: its owner and its database, the calls of its API, and where its results are stored.
 *
 * @since 0.1.0
 * @category models
 */
export type Requirements = Database | TenantOwner | OpenRuns | DefenderApi | ActionWatch | LiveResponse

const defaultRuns = 4

/** The waits after an error that may pass. */
const again = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(Schedule.jittered)

/** Another owner has the tenant: everything of this one ends. */
const isSuperseded = (error: BatchError.BatchError): error is StoreError.StoreError =>
  error._tag === "StoreError" && error.problem === "Superseded"

/** An error that ends a run is one that no later attempt would be spared. A full disk or a store that is away is not one. */
const mayPass = (error: BatchError.BatchError): boolean =>
  error._tag === "StoreError" ? !isSuperseded(error) : BatchError.isTransient(error)

const toDefectError = (run: RunId, defect: unknown) =>
  Effect.as(
    Effect.logError(`run ${run} failed`, Cause.die(defect)),
    new DefectError({ result: `run ${run}`, description: "the log of its runner has the cause" }),
  )

/** A run of a session at a time: a second run of it finds what the first one has started. */
const makeSessionLocks = () => {
  const locks = new Map<string, Semaphore.Semaphore>()
  return (session: string) => {
    const lock = locks.get(session) ?? Semaphore.makeUnsafe(1)
    locks.set(session, lock)
    return lock
  }
}

/** A journal of one session, whose runs are open. */
const journalOf = (found: PgFleetJournal.Run, { at, options }: RunLog.Started) => ({
  open: () => Effect.succeed({ ...found, find: options.retryFailed ? found.findRetrying(at) : found.find }),
})

const fleetOptions = Effect.fnUntraced(function* (log: RunLog.RunLog, run: RunId, { options }: RunLog.Started) {
  const { adopt, cancelBlocking, deadline, sessions } = options
  const common = { adopt, cancelBlocking, sessions, giveUpAfter: Duration.infinity }
  if (deadline === undefined) return common
  return { ...common, deadline: Duration.max(Duration.zero, Duration.subtract(deadline, yield* log.age(run))) }
})

/** What is downloaded and can't be stored now waits: who watches the run learns why, once for each outage. */
const makeWaits = () => {
  let isReported = false
  return (events: ReadonlyArray<BatchEvent>): ReadonlyArray<RunEvent> => {
    if (events.some(({ event }) => event === "completed")) isReported = false
    const waits = events.find((event) => event.event === "retrying" && event.error._tag === "StoreError")
    if (waits?.event !== "retrying" || isReported) return []
    isReported = true
    return [{ unavailable: { message: waits.message, at: waits.at } }]
  }
}

const make = Effect.fnUntraced(function* (options: Options) {
  const log = yield* RunLog.make
  const journal = yield* PgFleetJournal.make
  const live = yield* LiveResponse
  const lockOf = makeSessionLocks()
  const slots = Fleet.makeSlots()
  const places = yield* Semaphore.make(Math.max(1, options.runs ?? defaultRuns))

  /** Runs the sessions that are left, and downloads the results that are left. */
  const resume = Effect.fnUntraced(function* (run: RunId, started: RunLog.Started, found: PgFleetJournal.Run) {
    const { append, appendResults, progress } = yield* RunEvents.open(log, run)
    const fleet = yield* Effect.provideService(Fleet.make, FleetJournal, journalOf(found, started))
    const machines = Stream.filter(log.machines(run), (machineId) => !progress.isDone(machineId))
    const fleetRun = { ...(yield* fleetOptions(log, run, started)), shared: slots }
    const sessions = fleet.run(machines, started.session, fleetRun).pipe(
      Stream.tap((session) => append([{ session }])),
      Stream.flatMap((event: FleetEvent) =>
        Stream.fromIterable(event.event === "ended" ? ResultRef.ofAction(event.action) : []),
      ),
    )
    const waitsOf = makeWaits()
    const refs = Stream.concat(Stream.fromIterable(progress.resultsLeft), sessions)
    yield* live
      .saveAll(refs, { ...options, giveUpAfter: Duration.infinity })
      .pipe(Stream.runForEachArray((events) => Effect.andThen(appendResults(events), append(waitsOf(events)))))
  })

  /** An error that may pass is an event, and the run is resumed later. */
  const report = Effect.fnUntraced(function* (run: RunId, error: BatchError.BatchError) {
    const { append } = yield* RunEvents.open(log, run)
    const { message } = error._tag === "StoreError" ? StoreError.ofService(error) : error
    yield* Effect.logWarning(`run ${run} waits: ${message}`)
    yield* append([{ unavailable: { message, at: yield* DateTime.now } }])
  })

  /** Records that this owner executes the run, and opens its session. One run after the other, so that they wait in order. */
  const inOrder = yield* Semaphore.make(1)
  const start = (run: RunId) =>
    log.start(run).pipe(
      Effect.flatMap(
        Option.match({
          onNone: () => Effect.succeedNone,
          onSome: (started) => Effect.map(journal.open(started.session), (found) => Option.some({ started, found })),
        }),
      ),
      inOrder.withPermit,
    )

  const attempt = Effect.fnUntraced(function* (run: RunId) {
    const opened = Option.getOrUndefined(yield* start(run))
    if (opened === undefined) return
    const { found, started } = opened
    yield* resume(run, started, found).pipe(places.withPermit, lockOf(found.id).withPermit)
    yield* log.end(run, "finished")
  })

  const execute = (run: RunId): Effect.Effect<void, StoreError.StoreError, DefenderApi | ActionWatch> =>
    attempt(run).pipe(
      Effect.tapError((error) => (mayPass(error) ? report(run, error) : Effect.void)),
      Effect.retry({ schedule: again, while: mayPass }),
      Effect.catch((error) => (isSuperseded(error) ? Effect.fail(error) : endEarly(log, run, "failed", error))),
      // A bug ends the run that meets it, and not what else the owner does.
      Effect.catchDefect((defect) =>
        Effect.flatMap(toDefectError(run, defect), (error) => endEarly(log, run, "failed", error)),
      ),
      Effect.withSpan("RunExecutor.execute", { attributes: { "live_response.run": run } }),
    )

  return { execute, cancel: (run: RunId) => endEarly(log, run, "cancelled") }
})

const runAll = Effect.fn("RunExecutor.run")(function* (options: Options) {
  const { tenant } = yield* TenantOwner
  const open = yield* OpenRuns
  const { cancel, execute } = yield* make(options)
  const executions = yield* FiberMap.make<RunId, void, StoreError.StoreError>()
  const handle = Effect.forEach(
    ({ isCancelling, run }: { readonly isCancelling: boolean; readonly run: RunId }) =>
      isCancelling
        ? Effect.andThen(FiberMap.remove(executions, run), cancel(run))
        : FiberMap.run(executions, run, execute(run), { onlyIfMissing: true }),
    { discard: true },
  )
  yield* open.of(tenant).pipe(Stream.runForEach(handle), Effect.raceFirst(FiberMap.join(executions)))
  return yield* Effect.never
}, Effect.scoped)

/**
 * Executes the open runs of the tenant that `TenantOwner` owns, for as long as it owns it.
 *
 * **When to use**
 *
 * Use it beside what else the owner of a tenant does, in the same scope, and once for each owner.
 *
 * **Details**
 *
 * A run that another owner started is resumed with the journal of its sessions, so no machine gets a session twice. Two runs of the
 * same session are executed one after the other. A run waits for as long as the API, the storage or the database is away. Any
 * other error ends that run alone.
 *
 * **Gotchas**
 *
 * It fails with the problem `Superseded` where another owner has taken the tenant over: what else this owner does must end too.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (options: Options = {}): Effect.Effect<never, StoreError.StoreError, Requirements> => runAll(options)
