/**
 * What `live-response run` does: runs a session on each machine and, with `--download`, downloads its results when it has
 * finished.
 */
import { Fleet, quotasOf } from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as FileName from "@live-response/core/FileName"
import { LiveResponse } from "@live-response/core/LiveResponse"
import type { MachineAction } from "@live-response/core/MachineAction"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { Window } from "@live-response/core/QuotaRule"
import { Reporter } from "@live-response/core/Reporter"
import * as Session from "@live-response/core/Session"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import type * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ApiLayer from "../../api/ApiLayer.ts"
import * as LibraryUpload from "../../api/LibraryUpload.ts"
import * as Failure from "../../Failure.ts"
import * as BatchOptions from "../../flags/BatchOptions.ts"
import type { Listen } from "../../flags/Listen.ts"
import * as Lists from "../../input/Lists.ts"
import * as Machines from "../../input/MachineArguments.ts"
import * as UnknownMachines from "../../input/UnknownMachines.ts"
import * as OrderlyStop from "../../OrderlyStop.ts"
import * as EventOutput from "../../output/EventOutput.ts"
import * as FleetProgress from "../../output/FleetProgress.ts"
import * as MachineNames from "../../output/MachineNames.ts"
import * as StandardError from "../../output/StandardError.ts"
import * as Notification from "../../output/WebhookNotification.ts"
import * as PlanText from "../../output/PlanText.ts"
import { printableJson } from "../../output/Printable.ts"
import * as QuotaNotices from "../../output/QuotaNotices.ts"
import * as RowPrinter from "../../output/RowPrinter.ts"
import * as SessionRows from "../../output/SessionRows.ts"
import * as ActionsFile from "../download/actionsFileWriter.ts"
import * as Environment from "../download/services.ts"
import * as LiveEvents from "../report/liveEvents.ts"
import * as LibraryWatch from "./libraryWatch.ts"
import * as Plan from "./plan.ts"
import * as Preparation from "./preparation.ts"

export interface Options
  extends Omit<EventOutput.Options, "isResumable" | "cancelBlocking">, Preparation.Request, BatchOptions.Options {
  readonly dryRun: boolean
  /** The directory of the journal, if it is not the directory of the results. */
  readonly journal: string | undefined
  readonly wait: boolean
  readonly adopt: boolean
  readonly retryFailed: boolean
  readonly deadline: Duration.Duration | undefined
  readonly sessions: number | undefined
  readonly windows: ReadonlyArray<Window>
  readonly listen: Option.Option<Listen>
  /** The tenant of a cluster that gets the run. By default this machine runs it. */
  readonly cluster: string | undefined
  readonly detach: boolean
}

/** What speaks to PostgreSQL is loaded where a run is given to a cluster. */
const loadCluster = Effect.promise(() => import("./cluster.ts"))

/** Runs the session on the named machines, on those of the lists, and on those of the selection. */
export const run = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  yield* Lists.checkAll(Machines.fromList)(options.lists)
  if (options.dryRun)
    return yield* Effect.provide(QuotaNotices.during(preview(named, options)), ApiLayer.layerOf(options))
  const { cluster, directory, journal, windows } = options
  if (cluster !== undefined) {
    const { runInCluster } = yield* loadCluster
    return yield* runInCluster(named, { ...options, cluster })
  }
  if (directory !== undefined) {
    return yield* Effect.provide(
      runAndDownload(named, { ...options, directory }),
      Environment.layer({ directory, journal, windows }),
    )
  }
  const fleet = NodeLiveResponse.layerFleet({ ...(yield* NodeLiveResponse.environment), journal })
  yield* runOnly(named, options).pipe(
    Effect.provide(fleet.pipe(Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]))),
  )
}, Effect.mapError(Failure.fromError))

/** The directory in which an earlier run left a journal. */
const findJournal = Effect.fnUntraced(function* ({ directory, journal = directory }: Options) {
  const found = journal === undefined ? Option.none() : yield* PrivateDirectory.find(journal)
  if (Option.isNone(found)) return found
  return Option.isSome(yield* found.value.info(FileName.single.sessions)) ? found : Option.none()
})

/** What the journal of an earlier run says. */
const earlierOf = Effect.fnUntraced(function* (options: Options) {
  const journal = yield* findJournal(options)
  return {
    journal,
    isResuming: Option.isSome(journal),
    changedFiles: (session: Session.Session) => Plan.changedSince(journal, session),
  }
})

const printPlan = Effect.fnUntraced(function* (plan: PlanText.Plan, { json, quiet }: Options) {
  const at = DateTime.formatIso(yield* DateTime.now)
  if (json) return yield* Console.log(printableJson(JSON.stringify({ event: "preview", at, ...PlanText.fields(plan) })))
  if (!quiet) yield* Console.log(PlanText.lines(plan).join("\n"))
})

/** Shows what a run would do, and fails where the run would fail before it starts a session. */
const preview = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const { journal, ...earlier } = yield* earlierOf(options)
  const { changed, selected, session, uploads } = yield* Preparation.look(named, options, earlier)
  let bad = 0
  const reportBad = (input: EventOutput.BadInput) => {
    bad++
    return EventOutput.reportBad({ json: options.json, print: Console.log }, "notStarted", input)
  }
  yield* Effect.forEach(selected.unreadable, reportBad, { discard: true })
  const ids = yield* Stream.runCollect(Preparation.machineIds(Preparation.allMachines(named, options.lists), reportBad))
  const distinct = new Set(ids.map((id) => id.toLowerCase()))
  for (const { id } of selected.ready) distinct.delete(id.toLowerCase())
  const decide = yield* Plan.decider(journal, session, options)
  const planned = {
    ready: selected.ready.map((machine) => ({ ...decide(machine.id), machine })),
    named: Array.from(distinct, decide),
  }
  const plan = {
    ...planned,
    leftOut: selected.leftOut,
    changed,
    ...LibraryUpload.namesOf(uploads),
    ...(yield* Plan.costOf(session, [...planned.ready, ...planned.named], {
      isDownloading: options.directory !== undefined,
      runWindows: (yield* NodeLiveResponse.environment).runWindows,
    })),
  }
  yield* printPlan(plan, options)
  if (named.length === 0 && options.lists.length === 0) yield* Plan.checkSelected(selected)
  if (bad > 0) return yield* Failure.someFailed
})

const prepare = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const prepared = Preparation.prepare(named, options, yield* earlierOf(options))
  return yield* Preparation.patiently(options)(QuotaNotices.during(prepared))
})

const notifierOf = ({ directory = "", notify }: Options) => Notification.notifier(notify, { command: "run", directory })

const runOnly = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const unknown = yield* UnknownMachines.recorder([options.journal])
  const prepared = yield* prepare(named, options)
  const fleet = FleetProgress.make()
  const names = MachineNames.make()
  const output = yield* EventOutput.make(
    { ...options, names, isResumable: options.journal !== undefined, onOutcome: yield* notifierOf(options) },
    fleet,
  )
  const printRow = yield* makeRowPrinter(names, output, options)
  // A session that started right before Ctrl-C is reported: without a journal nothing else knows it.
  const events = (stop: Effect.Effect<void>) =>
    sessionEvents({ named, names, unknown, ...prepared }, { ...options, stop }, fleet, output)
  yield* OrderlyStop.runForEach(events, printRow).pipe(
    Effect.provideService(Reporter, output.reportEvent),
    output.during,
  )
  if (output.hasFailed()) return yield* Failure.someFailed
}, Effect.scoped)

const runAndDownload = Effect.fnUntraced(function* (
  named: ReadonlyArray<Machines.Machine>,
  options: Options & { readonly directory: string },
) {
  const live = yield* LiveResponse
  const unknown = yield* UnknownMachines.recorder([options.directory, options.journal])
  const prepared = yield* prepare(named, options)
  const fleet = FleetProgress.make()
  const observe = yield* LiveEvents.observer(options.listen, options.directory)
  const links = yield* (yield* quotasOf(prepared.session)).links
  const names = MachineNames.make()
  const output = yield* EventOutput.make(
    { ...options, names, links, observe, onOutcome: yield* notifierOf(options) },
    fleet,
  )
  const actionsFile = yield* ActionsFile.make(options)
  yield* actionsFile.check
  const events = (stop: Effect.Effect<void>) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const sessions = sessionEvents({ named, names, unknown, ...prepared }, { ...options, stop }, fleet, output)
        const { actions, finished } = finishedActions(sessions, { scope: yield* Effect.scope, stop })
        const refs = actionsFile.resultsOf(actions)
        return live.saveAll(refs, { ...BatchOptions.batchOptions(options), stop }).pipe(
          Stream.map(actionsFile.classify),
          // A batch that stops reads no more sessions, and the run still reports those that have started.
          Stream.concat(Stream.drain(Stream.fromEffect(finished))),
        )
      }),
    )
  yield* OrderlyStop.runForEach(events, output.reportEvent).pipe(output.during)
  if (output.hasFailed()) return yield* Failure.someFailed
}, Effect.scoped)

/** How many finished sessions wait for the download of their results before the run waits. */
const finishedAhead = 16

/**
 * The actions of finished sessions, for a reader that may be slow, and the end of the run. After `stop` the run waits for no
 * reader: it reports what has started, and ends. It runs for the reader, with its services, and until `scope` closes.
 */
const finishedActions = <E, R>(
  sessions: Stream.Stream<FleetEvent, E, R>,
  { scope, stop }: { readonly scope: Scope.Scope; readonly stop: Effect.Effect<void> },
) => {
  let run: Fiber.Fiber<boolean> | undefined
  const actions = Stream.unwrap(
    Effect.gen(function* () {
      const queue = yield* Queue.bounded<MachineAction, E | Cause.Done>(finishedAhead)
      run = yield* sessions.pipe(
        Stream.runForEach((event) =>
          event.event === "ended" ? Effect.raceFirst(Queue.offer(queue, event.action), stop) : Effect.void,
        ),
        Queue.into(queue),
        Effect.forkIn(scope),
      )
      return Stream.fromQueue(queue)
    }),
  )
  return { actions, finished: Effect.suspend(() => (run === undefined ? Effect.void : Fiber.await(run))) }
}

interface Prepared extends Effect.Success<ReturnType<typeof prepare>> {
  readonly named: ReadonlyArray<Machines.Machine>
  /** Gets the names of the machines, as far as they are known. */
  readonly names: MachineNames.MachineNames
  /** Records the names that lead to no machine. */
  readonly unknown: Effect.Success<ReturnType<typeof UnknownMachines.recorder>>
}

/** Runs the sessions. Their events are reported as they pass. */
const sessionEvents = (
  { named, names, selected, session, unknown, used }: Prepared,
  options: Options & { readonly stop?: Effect.Effect<void> },
  fleet: FleetProgress.FleetProgress,
  output: EventOutput.EventOutput,
) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { run } = yield* Fleet
      yield* output.reportLeftOut(selected.leftOut)
      yield* Effect.forEach(selected.unreadable, output.reportBadMachine, { discard: true })
      const all = Preparation.allMachines([...named, ...selected.ready.map(({ id }) => id)], options.lists)
      yield* countMachines(all, options.lists, fleet)
      const watchLibrary = yield* LibraryWatch.make(used, output.reportReplaced)
      for (const { computerDnsName, id } of selected.ready) names.add(id, computerDnsName)
      const ids = Preparation.machineIds(
        all,
        (machine) =>
          Effect.andThen(
            output.reportBadMachine(machine),
            "machineName" in machine ? unknown.add(machine) : Effect.void,
          ),
        names.add,
      ).pipe(Stream.onEnd(unknown.finish))
      const events = run(ids, session, {
        ...options,
        giveUpAfter: Option.getOrUndefined(options.giveUpAfter),
      })
      return Stream.tap(events, watchLibrary)
    }),
  ).pipe(Stream.tap(output.reportFleetEvent), Stream.tap(makeRequirementsNotice()))

/** The same for one machine however it is written. */
const keyOfMachine = (machine: Machines.Machine | Lists.BadLine): string =>
  (typeof machine === "string" ? machine : JSON.stringify(machine)).toLowerCase()

/** Reads the machines once in the background to count them. Lists that can be read only once are not counted. */
const countMachines = Effect.fnUntraced(function* <E, R>(
  all: Preparation.AllMachines<E, R>,
  lists: ReadonlyArray<string>,
  fleet: FleetProgress.FleetProgress,
) {
  const isRepeatable = (yield* Effect.forEach(lists, Lists.isRepeatable)).every(Boolean)
  if (!isRepeatable) return
  yield* Stream.runFold(
    all,
    () => new Set<string>(),
    (ids, machine) => ids.add(keyOfMachine(machine)),
  ).pipe(
    Effect.map(({ size }) => (fleet.total = size)),
    Effect.ignore,
    Effect.forkScoped,
  )
})

/** Reports the requirements once, when the service refuses a machine for its operating system. */
const makeRequirementsNotice = () => {
  let isReported = false
  return (event: FleetEvent) => {
    if (isReported || event.event !== "notStarted" || event.error?._tag !== "DefenderError") return Effect.void
    const { reason } = event.error
    if (reason._tag !== "Refused" || !/support|windows|version/i.test(reason.detail ?? "")) return Effect.void
    isReported = true
    return StandardError.write(`live response needs machines with ${Session.supportedSystems.join("; ")}`)
  }
}

/** Prints a row on standard output for each session. */
const makeRowPrinter = Effect.fnUntraced(function* (
  names: MachineNames.MachineNames,
  output: EventOutput.EventOutput,
  { json, quiet, wait }: Options,
) {
  if (json || quiet) return () => Effect.void
  const print = yield* RowPrinter.make({ columns: SessionRows.columns, print: output.print })
  const rowsOf = SessionRows.make(names, { wait })
  return (event: FleetEvent) => Effect.forEach(rowsOf(event), print, { discard: true })
})
