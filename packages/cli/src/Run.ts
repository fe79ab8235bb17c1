/**
 * The whole story: a session on each machine, and its results into the directory as soon as it is over.
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
import * as Download from "./Download.ts"
import * as Discovery from "./Discovery.ts"
import * as Failure from "./Failure.ts"
import * as ActionsFile from "./ActionsFile.ts"
import * as Lists from "./Lists.ts"
import * as Machines from "./Machines.ts"
import * as ActionText from "./output/ActionText.ts"
import * as FleetProgress from "./output/FleetProgress.ts"
import * as Messages from "./output/Messages.ts"
import * as Output from "./output/Output.ts"
import * as Table from "./output/Table.ts"

export interface Options extends Omit<Output.Options, "isRemembered">, Download.Saving {
  readonly lists: ReadonlyArray<string>
  readonly session: Session.Session
  /** Where it is remembered what was begun, where no results are kept. */
  readonly journal: string | undefined
  readonly wait: boolean
  readonly adopt: boolean
  readonly retryFailed: boolean
  readonly deadline: Duration.Duration | undefined
  readonly sessions: number
  readonly windows: ReadonlyArray<Window>
}

/** Runs the session on what is named and on what the lists hold. */
export const run = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  yield* Lists.checkAll(Machines.fromList)(options.lists)
  const { directory, journal, windows } = options
  if (directory !== undefined) {
    return yield* Effect.provide(
      runAndSave(named, { ...options, directory }),
      Download.layer({ directory, journal, windows }),
    )
  }
  const fleet = NodeLiveResponse.layerFleet({ ...(yield* NodeLiveResponse.environment), journal })
  yield* runOnly(named, options).pipe(
    Effect.provide(fleet.pipe(Layer.provide([NodeCredential.layerConfig, NodeQuotaStore.layerConfig]))),
  )
}, Effect.mapError(Failure.fromError))

const runOnly = Effect.fnUntraced(function* (named: ReadonlyArray<Machines.Machine>, options: Options) {
  const fleet = FleetProgress.make()
  const output = yield* Output.make({ ...options, isRemembered: options.journal !== undefined }, fleet)
  const row = yield* rows(output, options)
  yield* sessions(named, options, fleet, output).pipe(
    Stream.runForEach(row),
    Effect.provideService(Reporter, output.event),
    output.during,
  )
  if (output.failed()) return yield* Failure.someFailed
}, Effect.scoped)

const runAndSave = Effect.fnUntraced(function* (
  named: ReadonlyArray<Machines.Machine>,
  options: Options & { readonly directory: string },
) {
  const live = yield* LiveResponse
  const fleet = FleetProgress.make()
  const output = yield* Output.make(options, fleet)
  const known = yield* ActionsFile.make(options)
  const refs = sessions(named, options, fleet, output).pipe(
    Stream.flatMap((event) => Stream.fromIterable(event.event === "ended" ? [event.action] : [])),
    known.resultsOf,
  )
  yield* live
    .saveAll(refs, Download.savingOf(options))
    .pipe(Stream.map(known.settled), Stream.runForEach(output.event), output.during)
  if (output.failed()) return yield* Failure.someFailed
}, Effect.scoped)

/** The sessions' events, told. */
const sessions = (
  named: ReadonlyArray<Machines.Machine>,
  options: Options,
  fleet: FleetProgress.FleetProgress,
  output: Output.Output,
) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const all = Stream.concat(
        Stream.fromIterable<Machines.Machine | Lists.BadLine>(named),
        Stream.flatMap(Stream.fromIterable(options.lists), Machines.fromList),
      )
      // A list that can be read twice is: then the end is in sight from the start.
      if ((yield* Effect.forEach(options.lists, Lists.isRepeatable)).every(Boolean)) {
        yield* Stream.runFold(
          all,
          () => new Set<string>(),
          (ids, machine) => ids.add(typeof machine === "string" ? machine : JSON.stringify(machine).toLowerCase()),
        ).pipe(
          Effect.map(({ size }) => (fleet.total = size)),
          Effect.ignore,
          Effect.forkScoped,
        )
      }
      const machines = all.pipe(
        Stream.mapEffect(
          (machine): Effect.Effect<string | Lists.BadLine | Machines.BadMachine, ApiError, DefenderApi> =>
            typeof machine === "string" || "message" in machine
              ? Effect.succeed(machine)
              : Discovery.machineIdOf(machine),
          { concurrency: 4 },
        ),
        Stream.mapEffect((machine) =>
          typeof machine === "string" ? Effect.succeed([machine]) : Effect.as(output.badMachine(machine), []),
        ),
        Stream.flattenIterable,
      )
      return run(machines, options.session, { ...options, giveUpAfter: Option.getOrUndefined(options.giveUpAfter) })
    }),
  ).pipe(Stream.tap(output.fleetEvent), Stream.tap(requirements()))

/** Says once what a machine must be, where the service refused one for its system. */
const requirements = () => {
  let isSaid = false
  return (event: FleetEvent) => {
    if (isSaid || event.event !== "notStarted" || event.error?._tag !== "DefenderError") return Effect.void
    const { reason } = event.error
    if (reason._tag !== "Refused" || !/support|windows|version/i.test(reason.detail ?? "")) return Effect.void
    isSaid = true
    return Messages.write(`live response is for machines with ${Session.supportedWindows.join("; ")}`)
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

/** A line on stdout for each session: when it is over, or where nobody waits, when it has begun. */
const rows = Effect.fnUntraced(function* (output: Output.Output, { json, quiet, wait }: Options) {
  if (json || quiet) return () => Effect.void
  const shown = process.stdout.isTTY ? Option.some(Table.fitting(columns, process.stdout.columns)) : Option.none()
  const print = (row: Row) =>
    output.print(
      Option.match(shown, { onNone: () => Table.tabbed(columns, row), onSome: (fitting) => Table.row(fitting, row) }),
    )
  if (Option.isSome(shown)) yield* output.print(Table.header(shown.value))
  return (event: FleetEvent) => {
    if (wait && event.event === "ended") {
      const { action } = event
      return print({ id: action.id, status: action.status, machine: ActionText.nameOf(action) })
    }
    if (!wait && event.event === "started") {
      return print({ id: event.machineActionId, status: "Started", machine: event.machineId })
    }
    return Effect.void
  }
})
