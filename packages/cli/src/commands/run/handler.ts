/**
 * What `live-response run` does: runs a session on each machine and, with `--download`, downloads its results when it has
 * finished.
 */
import type { ApiError } from "@live-response/core/ApiError"
import type { DefenderApi } from "@live-response/core/DefenderApi"
import { Fleet, quotasOf } from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as FileName from "@live-response/core/FileName"
import { LiveResponse } from "@live-response/core/LiveResponse"
import type { Machine } from "@live-response/core/Machine"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { Window } from "@live-response/core/QuotaRule"
import { Reporter } from "@live-response/core/Reporter"
import * as Session from "@live-response/core/Session"
import * as Timing from "@live-response/core/Timing"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ApiLayer from "../../api/ApiLayer.ts"
import * as LibraryUpload from "../../api/LibraryUpload.ts"
import * as Lookup from "../../api/Lookup.ts"
import * as Failure from "../../Failure.ts"
import * as BatchOptions from "../../flags/BatchOptions.ts"
import type { Listen } from "../../flags/Listen.ts"
import type { MachineSelection } from "../../flags/MachineSelection.ts"
import * as Confirmation from "../../input/Confirmation.ts"
import * as Lists from "../../input/Lists.ts"
import * as Machines from "../../input/MachineArguments.ts"
import * as ActionText from "../../output/ActionText.ts"
import * as BatchEventText from "../../output/BatchEventText.ts"
import * as EventOutput from "../../output/EventOutput.ts"
import * as FleetProgress from "../../output/FleetProgress.ts"
import * as StandardError from "../../output/StandardError.ts"
import * as Notification from "../../output/WebhookNotification.ts"
import * as PlanText from "../../output/PlanText.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import * as QuotaNotices from "../../output/QuotaNotices.ts"
import * as RowPrinter from "../../output/RowPrinter.ts"
import type * as Table from "../../output/Table.ts"
import * as ActionsFile from "../download/actionsFileWriter.ts"
import * as Environment from "../download/services.ts"
import * as LiveEvents from "../report/liveEvents.ts"
import * as LibraryWatch from "./libraryWatch.ts"
import * as NamedMachines from "./namedMachines.ts"
import * as Plan from "./plan.ts"

export interface Options extends Omit<EventOutput.Options, "isResumable">, BatchOptions.Options {
  readonly lists: ReadonlyArray<string>
  /** The flags that select machines, if any was given. */
  readonly selection: MachineSelection | undefined
  /** The files that the session needs from the library: by name, or by a path of this machine. */
  readonly libraryFiles: ReadonlyArray<string>
  readonly dryRun: boolean
  readonly yes: boolean
  readonly session: Session.Session
  /** The directory of the journal, if it is not the directory of the results. */
  readonly journal: string | undefined
  readonly wait: boolean
  readonly adopt: boolean
  readonly cancelBlocking: boolean
  readonly retryFailed: boolean
  readonly deadline: Duration.Duration | undefined
  readonly sessions: number | undefined
  readonly windows: ReadonlyArray<Window>
  readonly listen: Option.Option<Listen>
}

/** Runs the session on the named machines, on those of the lists, and on those of the selection. */
export const run = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  yield* Lists.checkAll(Machines.fromList)(options.lists)
  if (options.dryRun)
    return yield* Effect.provide(QuotaNotices.during(preview(named, options)), ApiLayer.layerOf(options))
  const { directory, journal, windows } = options
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

/** Waits for the API as the run does, and says so. */
const patiently =
  ({ giveUpAfter, quiet }: Options) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      Timing.with({ giveUpAfter: Option.getOrElse(giveUpAfter, () => Timing.batchGiveUpAfter) }),
      Effect.provideService(Reporter, (event) => {
        const message = BatchEventText.message(event, { quiet })
        return message === undefined ? Effect.void : StandardError.write(message)
      }),
    )

/** What a run needs of the library, and the machines of its selection. */
const look = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const journal = yield* findJournal(options)
  const { local, used } = yield* Plan.checkLibrary(options.libraryFiles, { isResuming: Option.isSome(journal) })
  const session = Plan.identify(options.session, used)
  // They matter beside a selection alone, and lists may be long.
  const keys =
    options.selection === undefined
      ? new Set<string>()
      : yield* NamedMachines.keysOf(allMachines(named, options.lists), options.lists)
  const { leftOut, ready, unreadable } = yield* Plan.select(options.selection)
  const isOther = (machine: Machine) => !NamedMachines.isNamed(keys, machine)
  return {
    journal,
    session,
    used,
    uploads: Plan.uploadsOf(local),
    changed: yield* Plan.changedSince(journal, session),
    // A machine that is named is always tried.
    selected: { ready, unreadable, leftOut: leftOut.filter(isOther) } satisfies Plan.Selected,
    /**
     * How many machines a selection leads to, with those that are named, as far as the lists can be read before the run. A list
     * alone is what its user chose, and has to run where nobody can be asked.
     */
    machines: options.selection === undefined ? 0 : keys.size + ready.filter(isOther).length,
  }
})

/** Checks the library, selects the machines, asks for a yes where one is needed, and uploads. */
const prepare = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const { changed, machines, selected, session, uploads, used } = yield* look(named, options)
  if (named.length === 0 && options.lists.length === 0) yield* Plan.checkSelected(selected)
  const what = Plan.confirmation(uploads, {
    ...options,
    changed,
    machines,
    many: Confirmation.manyMachines,
  })
  if (what !== undefined) yield* Confirmation.confirm(what, options)
  yield* LibraryUpload.checkUnchanged(uploads)
  for (const each of uploads) {
    yield* LibraryUpload.upload(each)
    yield* StandardError.write(`${printable(each.file.fileName)}: uploaded to the library`)
  }
  return { selected, session, used }
})

const printPlan = Effect.fnUntraced(function* (plan: PlanText.Plan, { json, quiet }: Options) {
  const at = DateTime.formatIso(yield* DateTime.now)
  if (json) return yield* Console.log(printableJson(JSON.stringify({ event: "preview", at, ...PlanText.fields(plan) })))
  if (!quiet) yield* Console.log(PlanText.lines(plan).join("\n"))
})

/** Shows what a run would do, and fails where the run would fail before it starts a session. */
const preview = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const { changed, journal, selected, session, uploads } = yield* look(named, options)
  let bad = 0
  const reportBad = (input: EventOutput.BadInput) => {
    bad++
    return EventOutput.reportBad({ json: options.json, print: Console.log }, "notStarted", input)
  }
  yield* Effect.forEach(selected.unreadable, reportBad, { discard: true })
  const ids = yield* Stream.runCollect(machineIds(allMachines(named, options.lists), reportBad))
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

const notifierOf = ({ directory = "", notify }: Options) => Notification.notifier(notify, { command: "run", directory })

const runOnly = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const prepared = yield* patiently(options)(QuotaNotices.during(prepare(named, options)))
  const fleet = FleetProgress.make()
  const output = yield* EventOutput.make(
    { ...options, isResumable: options.journal !== undefined, onOutcome: notifierOf(options) },
    fleet,
  )
  const printRow = yield* makeRowPrinter(output, options)
  yield* sessionEvents({ named, ...prepared }, options, fleet, output).pipe(
    Stream.runForEach(printRow),
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
  const prepared = yield* patiently(options)(QuotaNotices.during(prepare(named, options)))
  const fleet = FleetProgress.make()
  const observe = yield* LiveEvents.observer(options.listen, options.directory)
  const links = yield* (yield* quotasOf(prepared.session)).links
  const output = yield* EventOutput.make({ ...options, links, observe, onOutcome: notifierOf(options) }, fleet)
  const actionsFile = yield* ActionsFile.make(options)
  yield* actionsFile.check
  const refs = sessionEvents({ named, ...prepared }, options, fleet, output).pipe(
    Stream.flatMap((event) => Stream.fromIterable(event.event === "ended" ? [event.action] : [])),
    actionsFile.resultsOf,
  )
  yield* live
    .saveAll(refs, BatchOptions.batchOptions(options))
    .pipe(Stream.map(actionsFile.classify), Stream.runForEach(output.reportEvent), output.during)
  if (output.hasFailed()) return yield* Failure.someFailed
}, Effect.scoped)

/** Runs the sessions. Their events are reported as they pass. */
const sessionEvents = (
  {
    named,
    selected,
    session,
    used,
  }: { readonly named: ReadonlyArray<Machines.Machine> } & Effect.Success<ReturnType<typeof prepare>>,
  options: Options,
  fleet: FleetProgress.FleetProgress,
  output: EventOutput.EventOutput,
) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { run } = yield* Fleet
      yield* output.reportLeftOut(selected.leftOut)
      yield* Effect.forEach(selected.unreadable, output.reportBadMachine, { discard: true })
      const all = allMachines([...named, ...selected.ready.map(({ id }) => id)], options.lists)
      yield* countMachines(all, options.lists, fleet)
      const watchLibrary = yield* LibraryWatch.make(used, output.reportReplaced)
      const events = run(machineIds(all, output.reportBadMachine), session, {
        ...options,
        giveUpAfter: Option.getOrUndefined(options.giveUpAfter),
      })
      return Stream.tap(events, watchLibrary)
    }),
  ).pipe(Stream.tap(output.reportFleetEvent), Stream.tap(makeRequirementsNotice()))

type AllMachines<E, R> = Stream.Stream<Machines.Machine | Lists.BadLine, E, R>

/** The named machines, and then those of the lists. */
const allMachines = (named: ReadonlyArray<Machines.Machine>, lists: ReadonlyArray<string>) =>
  Stream.concat(
    Stream.fromIterable<Machines.Machine | Lists.BadLine>(named),
    Stream.flatMap(Stream.fromIterable(lists), Machines.fromList),
  )

/** The same for one machine however it is written. */
const keyOfMachine = (machine: Machines.Machine | Lists.BadLine): string =>
  (typeof machine === "string" ? machine : JSON.stringify(machine)).toLowerCase()

/** Reads the machines once in the background to count them. Lists that can be read only once are not counted. */
const countMachines = Effect.fnUntraced(function* <E, R>(
  all: AllMachines<E, R>,
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

/** The ids of the machines. What names no machine is reported. */
const machineIds = <E, R>(
  all: AllMachines<E, R>,
  reportBad: (machine: Lists.BadLine | Machines.BadMachine) => Effect.Effect<void>,
) =>
  all.pipe(
    Stream.mapEffect(
      (machine): Effect.Effect<string | Lists.BadLine | Machines.BadMachine, ApiError, DefenderApi> =>
        typeof machine === "string" || "message" in machine ? Effect.succeed(machine) : Lookup.machineIdOf(machine),
      { concurrency: 4 },
    ),
    Stream.mapEffect((machine) =>
      typeof machine === "string" ? Effect.succeed([machine]) : Effect.as(reportBad(machine), []),
    ),
    Stream.flattenIterable,
  )

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

interface Row {
  readonly id: string
  readonly status: string
  readonly machine: string
}

const columns: ReadonlyArray<Table.Column<Row>> = [
  ...ActionText.idAndStatus,
  { title: "MACHINE", width: 40, text: ({ machine }) => machine },
]

/** The row of a session: with `--wait` when it has finished, else when it has started. */
const rowOf = (event: FleetEvent, wait: boolean): Row | undefined => {
  if (wait && event.event === "ended") {
    const { action } = event
    return { id: action.id, status: action.status, machine: ActionText.nameOf(action) }
  }
  return !wait && event.event === "started"
    ? { id: event.machineActionId, status: "Started", machine: event.machineId }
    : undefined
}

/** Prints a row on standard output for each session. */
const makeRowPrinter = Effect.fnUntraced(function* (output: EventOutput.EventOutput, { json, quiet, wait }: Options) {
  if (json || quiet) return () => Effect.void
  const print = yield* RowPrinter.make({ columns, print: output.print })
  return (event: FleetEvent) => {
    const row = rowOf(event, wait)
    return row === undefined ? Effect.void : print(row)
  }
})
