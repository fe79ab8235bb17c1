/**
 * What is done before the sessions of a run, on this machine or in a cluster: the files in the library, the selected machines,
 * and the confirmation of the user.
 */
import type { ApiError } from "@live-response/core/ApiError"
import type { DefenderApi } from "@live-response/core/DefenderApi"
import type { Machine } from "@live-response/core/Machine"
import { Reporter } from "@live-response/core/Reporter"
import type * as Session from "@live-response/core/Session"
import * as Timing from "@live-response/core/Timing"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as LibraryUpload from "../../api/LibraryUpload.ts"
import * as Lookup from "../../api/Lookup.ts"
import type { MachineSelection } from "../../flags/MachineSelection.ts"
import * as Confirmation from "../../input/Confirmation.ts"
import type * as Lists from "../../input/Lists.ts"
import * as Machines from "../../input/MachineArguments.ts"
import * as BatchEventText from "../../output/BatchEventText.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable } from "../../output/Printable.ts"
import * as NamedMachines from "./namedMachines.ts"
import * as Plan from "./plan.ts"

/** What to run, and on which machines. */
export interface Request {
  readonly lists: ReadonlyArray<string>
  /** The flags that select machines, if any was given. */
  readonly selection: MachineSelection | undefined
  /** The files that the session needs from the library: by name, or by a path of this machine. */
  readonly libraryFiles: ReadonlyArray<string>
  readonly session: Session.Session
  readonly cancelBlocking: boolean
  readonly yes: boolean
  readonly quiet: boolean
  readonly giveUpAfter: Option.Option<Duration.Duration>
}

/** What is known of earlier runs. */
export interface Earlier<E, R> {
  /** Whether there may be some: then a file that the library lacks does not stop the run. */
  readonly isResuming: boolean
  /** The files of the session whose content is not what an earlier run had. */
  readonly changedFiles: (session: Session.Session) => Effect.Effect<ReadonlyArray<string>, E, R>
}

export type AllMachines<E, R> = Stream.Stream<Machines.Machine | Lists.BadLine, E, R>

/** The named machines, and then those of the lists. */
export const allMachines = (named: ReadonlyArray<Machines.Machine>, lists: ReadonlyArray<string>) =>
  Stream.concat(
    Stream.fromIterable<Machines.Machine | Lists.BadLine>(named),
    Stream.flatMap(Stream.fromIterable(lists), Machines.fromList),
  )

/** The ids of the machines. What names no machine is reported, and `onNamed` gets the name by which a machine was found. */
export const machineIds = <E, R, E2>(
  all: AllMachines<E, R>,
  reportBad: (machine: Lists.BadLine | Machines.BadMachine) => Effect.Effect<void, E2>,
  onNamed: (id: string, name: string) => void = () => undefined,
) =>
  all.pipe(
    Stream.mapEffect(
      (machine): Effect.Effect<string | Lists.BadLine | Machines.BadMachine, ApiError, DefenderApi> =>
        typeof machine === "string" || "message" in machine
          ? Effect.succeed(machine)
          : Effect.tap(Lookup.machineIdOf(machine), (id) =>
              Effect.sync(() => {
                if (typeof id === "string") onNamed(id, machine.name)
              }),
            ),
      { concurrency: 4 },
    ),
    Stream.mapEffect((machine) =>
      typeof machine === "string" ? Effect.succeed([machine]) : Effect.as(reportBad(machine), []),
    ),
    Stream.flattenIterable,
  )

/** Waits for the API as the run does, and says so. */
export const patiently =
  ({ giveUpAfter, quiet }: Pick<Request, "giveUpAfter" | "quiet">) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      Timing.with({ giveUpAfter: Option.getOrElse(giveUpAfter, () => Timing.batchGiveUpAfter) }),
      Effect.provideService(Reporter, (event) => {
        const message = BatchEventText.message(event, { quiet })
        return message === undefined ? Effect.void : StandardError.write(message)
      }),
    )

/** What a run needs of the library, and the machines of its selection. */
export const look = Effect.fnUntraced(function* <E, R>(
  named: ReadonlyArray<Machines.Machine>,
  options: Request,
  earlier: Earlier<E, R>,
) {
  const { local, used } = yield* Plan.checkLibrary(options.libraryFiles, earlier)
  const session = Plan.identify(options.session, used)
  // They matter beside a selection alone, and lists may be long.
  const keys =
    options.selection === undefined
      ? new Set<string>()
      : yield* NamedMachines.keysOf(allMachines(named, options.lists), options.lists)
  const { leftOut, ready, unreadable } = yield* Plan.select(options.selection)
  const isOther = (machine: Machine) => !NamedMachines.isNamed(keys, machine)
  return {
    session,
    used,
    uploads: Plan.uploadsOf(local),
    changed: yield* earlier.changedFiles(session),
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
export const prepare = Effect.fnUntraced(function* <E, R>(
  named: ReadonlyArray<Machines.Machine>,
  options: Request,
  earlier: Earlier<E, R>,
) {
  const { changed, machines, selected, session, uploads, used } = yield* look(named, options, earlier)
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
