/**
 * What a run will do: the selected machines, the files that it needs in the library, and what that costs. Nothing is changed.
 */
import type { ApiError } from "@live-response/core/ApiError"
import * as Fleet from "@live-response/core/Fleet"
import * as FleetJournal from "@live-response/core/FleetJournal"
import { Library } from "@live-response/core/Library"
import * as LibraryFile from "@live-response/core/LibraryFile"
import * as Machine from "@live-response/core/Machine"
import type * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import type { Window } from "@live-response/core/QuotaRule"
import * as Session from "@live-response/core/Session"
import type { StoreError } from "@live-response/core/StoreError"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as IgnoredFilter from "../../api/IgnoredFilter.ts"
import * as LibraryUpload from "../../api/LibraryUpload.ts"
import * as MachineSearch from "../../api/MachineSearch.ts"
import * as Failure from "../../Failure.ts"
import type { MachineSelection } from "../../flags/MachineSelection.ts"
import * as LibraryName from "../../input/LibraryName.ts"
import * as LocalFile from "../../input/LocalFile.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable } from "../../output/Printable.ts"

/** The machines of a selection. */
export interface Selected {
  readonly ready: ReadonlyArray<Machine.Machine>
  /** Those that live response can't run on. */
  readonly leftOut: ReadonlyArray<Machine.Machine>
  /** Records that can't be read. */
  readonly unreadable: ReadonlyArray<{ readonly message: string }>
}

const noMachines: Selected = { ready: [], leftOut: [], unreadable: [] }

const isReady = (machine: Machine.Machine): boolean => Machine.readiness(machine) === "ready"

/** Lists the machines of a selection. */
export const select = Effect.fnUntraced(function* (selection: MachineSelection | undefined) {
  if (selection === undefined) return noMachines
  yield* MachineSearch.checkFilter(selection)
  const unreadable: Array<{ readonly message: string }> = []
  const found = yield* Stream.runCollect(
    MachineSearch.search(
      selection,
      (record) => Effect.sync(() => void unreadable.push(record)),
      IgnoredFilter.refuse(selection),
    ),
  )
  return {
    ready: found.filter(isReady),
    leftOut: found.filter((machine) => !isReady(machine)),
    unreadable,
  } satisfies Selected
})

/** The files of the library; none if it can't be read, by this sign-in or in this cloud, and `isOptional`. */
const libraryFiles = ({ isOptional }: { readonly isOptional: boolean }) => {
  const skip = (
    reason: { readonly message: string },
    error: ApiError,
  ): Effect.Effect<ReadonlyArray<LibraryFile.LibraryFile> | undefined, ApiError> =>
    isOptional
      ? Effect.as(
          StandardError.write(`live-response: file names are not checked: ${printable(reason.message)}`),
          undefined,
        )
      : Effect.fail(error)
  return Library.use(({ list }) => Stream.runCollect(list)).pipe(
    Effect.catchReason("DefenderError", "Forbidden", skip),
    Effect.catchReason("DefenderError", "NotFound", skip),
  )
}

/** A file of the library that a session uses. */
export interface Used {
  /** As the session names it. */
  readonly name: string
  /** As the library spells it. */
  readonly fileName: string
  /** Unknown where the library could not be read, or does not say. */
  readonly sha256: string | undefined
}

/** What a run needs of the library. */
export interface Needs {
  /** The files of this machine. */
  readonly local: ReadonlyArray<LibraryUpload.Compared>
  readonly used: ReadonlyArray<Used>
}

/**
 * Compares the files of a run with the library, and fails with a name that the library does not have. When a run resumes, a
 * missing name is a warning: its sessions may all have started.
 */
export const checkLibrary = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  { isResuming }: { readonly isResuming: boolean },
) {
  yield* LocalFile.checkNames(names)
  const read = yield* Effect.forEach(new Set(names.filter(LibraryName.isPath)), LocalFile.read)
  const files = names.length === 0 ? undefined : yield* libraryFiles({ isOptional: read.length === 0 })
  if (files === undefined) return { local: [], used: [] } satisfies Needs
  const local = yield* Effect.forEach(read, (file) => LibraryUpload.compare(files, file))
  const used: Array<Used> = local.map(({ file, sha256 }) => ({
    name: LibraryName.of(file.path),
    fileName: file.fileName,
    sha256,
  }))
  for (const name of names) {
    if (LibraryName.isPath(name)) continue
    const known = LibraryFile.named(files, name)
    if (known !== undefined) {
      used.push({ name, fileName: known.fileName, sha256: known.sha256 })
      continue
    }
    const problem = LibraryUpload.notInLibrary(files, name)
    if (!isResuming) return yield* problem
    yield* StandardError.write(`live-response: ${problem.message}`)
  }
  return { local, used } satisfies Needs
})

/** The files that must be uploaded. */
export const uploadsOf = (compared: ReadonlyArray<LibraryUpload.Compared>): ReadonlyArray<LibraryUpload.Compared> =>
  compared.filter(({ state }) => state !== "same")

/** The session with its files as the library spells them, and with their content: a file that has changed makes another one. */
export const identify = (session: Session.Session, used: ReadonlyArray<Used>): Session.Session => {
  const byName = new Map(used.map((each) => [each.name, each]))
  const identified = (command: Session.Command): Session.Command => {
    if (command._tag !== "PutFile" && command._tag !== "RunScript") return command
    const found = byName.get(command._tag === "PutFile" ? command.fileName : command.scriptName)
    if (found === undefined) return command
    const { fileName, sha256 } = found
    const content = sha256 === undefined ? {} : { sha256 }
    return command._tag === "PutFile"
      ? Session.PutFile.make({ ...command, ...content, fileName })
      : Session.RunScript.make({ ...command, ...content, scriptName: fileName })
  }
  return Session.Session.make({ ...session, commands: Arr.map(session.commands, identified) })
}

/** The files whose content is not what an earlier run had, by the journal of the run. */
export const changedSince = (
  journal: Option.Option<PrivateDirectory.PrivateDirectory>,
  session: Session.Session,
): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  Option.match(journal, {
    onNone: () => Effect.succeed([]),
    onSome: (directory) => FleetJournal.changedFiles(directory, session),
  })

/** What a run does on a machine. */
export interface Decided {
  readonly id: string
  readonly decision: Fleet.Decision
}

/** Makes the function that says what a run does on a machine, by the journal of the run. */
export const decider = Effect.fnUntraced(function* (
  journal: Option.Option<PrivateDirectory.PrivateDirectory>,
  session: Session.Session,
  options: { readonly retryFailed: boolean },
) {
  const find = Option.isNone(journal) ? () => Option.none() : yield* FleetJournal.lookup(journal.value, session)
  return (id: string): Decided => ({ id, decision: Fleet.decide(find(id), options) })
})

/** How many results a session leaves: one for each command but `PutFile`. */
const resultsOf = ({ commands }: Session.Session): number => commands.filter(({ _tag }) => _tag !== "PutFile").length

/** What the sessions cost in quota and time. Those that have finished cost nothing more. */
export const costOf = Effect.fnUntraced(function* (
  session: Session.Session,
  machines: ReadonlyArray<Decided>,
  options: { readonly isDownloading: boolean; readonly runWindows: ReadonlyArray<Window> | undefined },
) {
  const quotas = yield* Fleet.quotasOf(session, options)
  const count = (decision: Fleet.Decision) => machines.filter((each) => each.decision === decision).length
  const [starts, resumed, finished] = [count("start"), count("resume"), count("finished")]
  const links = options.isDownloading ? (starts + resumed) * resultsOf(session) : 0
  return {
    starts,
    resumed,
    finished,
    links,
    starting: yield* (yield* quotas.starts).forecast(starts),
    linking: yield* (yield* quotas.links).forecast(links),
  }
})

/** What a person confirms, as in `upload collect.ps1 to the library and run on 120 machines`; nothing if no yes is needed. */
export const confirmation = (
  uploads: ReadonlyArray<LibraryUpload.Compared>,
  {
    cancelBlocking,
    changed,
    machines,
    many,
  }: {
    readonly cancelBlocking: boolean
    /** The files whose content is not what an earlier run had. */
    readonly changed: ReadonlyArray<string>
    readonly machines: number
    readonly many: number
  },
): string | undefined => {
  const { added, replaced } = LibraryUpload.described(uploads)
  const parts = [
    added,
    replaced,
    cancelBlocking ? "cancel sessions of others that are in progress on the machines" : undefined,
    changed.length > 0
      ? `run again on every machine, because the content of ${changed.map(printable).join(", ")} is not that of the earlier run`
      : undefined,
    machines > many ? `run on ${machines} machines` : undefined,
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? undefined : parts.join(", and ")
}

/** Fails if a selection leaves nothing to run on. */
export const checkSelected = ({ leftOut, ready }: Selected): Effect.Effect<void, Failure.Failure> => {
  if (ready.length > 0) return Effect.void
  return Effect.fail(
    Failure.failed(
      leftOut.length === 0
        ? "no machine matches the selection; try it with live-response machines list"
        : `none of the ${leftOut.length} selected machines can run live response: they are offline or not onboarded; live-response machines list shows them`,
    ),
  )
}
