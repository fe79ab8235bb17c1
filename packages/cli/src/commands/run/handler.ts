/**
 * What `live-response run` does: runs a session on each machine and, with `--download`, downloads its results when it has
 * finished.
 */
import type { ApiError } from "@live-response/core/ApiError"
import type { DefenderApi } from "@live-response/core/DefenderApi"
import { Fleet } from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import { LiveResponse } from "@live-response/core/LiveResponse"
import type { Window } from "@live-response/core/QuotaRule"
import { Reporter } from "@live-response/core/Reporter"
import * as Session from "@live-response/core/Session"
import * as NodeCredential from "@live-response/node/NodeCredential"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as NodeQuotaStore from "@live-response/node/NodeQuotaStore"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Lookup from "../../api/Lookup.ts"
import * as Failure from "../../Failure.ts"
import * as BatchOptions from "../../flags/BatchOptions.ts"
import * as Lists from "../../input/Lists.ts"
import * as Machines from "../../input/Machines.ts"
import * as ActionText from "../../output/ActionText.ts"
import * as EventOutput from "../../output/EventOutput.ts"
import * as FleetProgress from "../../output/FleetProgress.ts"
import * as Messages from "../../output/Messages.ts"
import * as RowPrinter from "../../output/RowPrinter.ts"
import type * as Table from "../../output/Table.ts"
import * as ActionsFile from "../download/actionsFile.ts"
import * as Environment from "../download/environment.ts"

export interface Options extends Omit<EventOutput.Options, "isResumable">, BatchOptions.Options {
  readonly lists: ReadonlyArray<string>
  readonly session: Session.Session
  /** The directory of the journal, if it is not the directory of the results. */
  readonly journal: string | undefined
  readonly wait: boolean
  readonly adopt: boolean
  readonly retryFailed: boolean
  readonly deadline: Duration.Duration | undefined
  readonly sessions: number | undefined
  readonly windows: ReadonlyArray<Window>
}

/** Runs the session on the named machines and on those of the lists. */
export const run = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  yield* Lists.checkAll(Machines.fromList)(options.lists)
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

const runOnly = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const fleet = FleetProgress.make()
  const output = yield* EventOutput.make({ ...options, isResumable: options.journal !== undefined }, fleet)
  const printRow = yield* makeRowPrinter(output, options)
  yield* sessionEvents(named, options, fleet, output).pipe(
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
  const fleet = FleetProgress.make()
  const output = yield* EventOutput.make(options, fleet)
  const actionsFile = yield* ActionsFile.make(options)
  yield* actionsFile.check
  const refs = sessionEvents(named, options, fleet, output).pipe(
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
  named: ReadonlyArray<Machines.Machine>,
  options: Options,
  fleet: FleetProgress.FleetProgress,
  output: EventOutput.EventOutput,
) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const all = Stream.concat(
        Stream.fromIterable<Machines.Machine | Lists.BadLine>(named),
        Stream.flatMap(Stream.fromIterable(options.lists), Machines.fromList),
      )
      yield* countMachines(all, options.lists, fleet)
      return run(machineIds(all, output), options.session, {
        ...options,
        giveUpAfter: Option.getOrUndefined(options.giveUpAfter),
      })
    }),
  ).pipe(Stream.tap(output.reportFleetEvent), Stream.tap(makeRequirementsNotice()))

type AllMachines<E, R> = Stream.Stream<Machines.Machine | Lists.BadLine, E, R>

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
    (ids, machine) => ids.add(typeof machine === "string" ? machine : JSON.stringify(machine).toLowerCase()),
  ).pipe(
    Effect.map(({ size }) => (fleet.total = size)),
    Effect.ignore,
    Effect.forkScoped,
  )
})

/** The ids of the machines. What names no machine is reported. */
const machineIds = <E, R>(all: AllMachines<E, R>, output: EventOutput.EventOutput) =>
  all.pipe(
    Stream.mapEffect(
      (machine): Effect.Effect<string | Lists.BadLine | Machines.BadMachine, ApiError, DefenderApi> =>
        typeof machine === "string" || "message" in machine ? Effect.succeed(machine) : Lookup.machineIdOf(machine),
      { concurrency: 4 },
    ),
    Stream.mapEffect((machine) =>
      typeof machine === "string" ? Effect.succeed([machine]) : Effect.as(output.reportBadMachine(machine), []),
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
    return Messages.write(`live response needs machines with ${Session.supportedWindows.join("; ")}`)
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
