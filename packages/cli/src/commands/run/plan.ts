/**
 * What a run will do: the selected machines, the files that it needs in the library, and what that costs. Nothing is changed.
 */
import type { ApiError } from "@live-response/core/ApiError"
import { Library } from "@live-response/core/Library"
import type { LibraryFile } from "@live-response/core/LibraryFile"
import * as Machine from "@live-response/core/Machine"
import * as Session from "@live-response/core/Session"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as LibraryUpload from "../../api/LibraryUpload.ts"
import * as MachineSearch from "../../api/MachineSearch.ts"
import * as Failure from "../../Failure.ts"
import type { MachineSelection } from "../../flags/MachineSelection.ts"
import * as LibraryName from "../../input/LibraryName.ts"
import * as LocalFile from "../../input/LocalFile.ts"
import * as Messages from "../../output/Messages.ts"
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
  const unreadable: Array<{ readonly message: string }> = []
  const found = yield* Stream.runCollect(
    MachineSearch.search(selection, (record) => Effect.sync(() => void unreadable.push(record))),
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
  ): Effect.Effect<ReadonlyArray<LibraryFile> | undefined, ApiError> =>
    isOptional
      ? Effect.as(Messages.write(`live-response: file names are not checked: ${printable(reason.message)}`), undefined)
      : Effect.fail(error)
  return Library.use(({ list }) => Stream.runCollect(list)).pipe(
    Effect.catchReason("DefenderError", "Forbidden", skip),
    Effect.catchReason("DefenderError", "NotFound", skip),
  )
}

/**
 * Compares the files of a run with the library: fails with a name that the library does not have, and returns those
 * of this machine. When a run resumes, a missing name is a warning: its sessions may all have started.
 */
export const checkLibrary = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  { isResuming }: { readonly isResuming: boolean },
) {
  yield* LocalFile.checkNames(names)
  const local = yield* Effect.forEach(new Set(names.filter(LibraryName.isPath)), LocalFile.open)
  if (names.length === 0) return []
  const files = yield* libraryFiles({ isOptional: local.length === 0 })
  if (files === undefined) return []
  for (const name of names) {
    if (LibraryName.isPath(name) || files.some(({ fileName }) => fileName === name)) continue
    const problem = LibraryUpload.notInLibrary(files, name)
    if (!isResuming) return yield* problem
    yield* Messages.write(`live-response: ${problem.message}`)
  }
  return yield* Effect.forEach(local, (file) => LibraryUpload.compare(files, file))
})

/** The files that must be uploaded. */
export const uploadsOf = (compared: ReadonlyArray<LibraryUpload.Compared>): ReadonlyArray<LibraryUpload.Compared> =>
  compared.filter(({ state }) => state !== "same")

/**
 * The session with the content of the files of this machine, so that a file that has changed makes another session, and with
 * their names as the library spells them.
 */
export const identify = (
  session: Session.Session,
  compared: ReadonlyArray<LibraryUpload.Compared>,
): Session.Session => {
  const byName = new Map(compared.map((each) => [LibraryName.of(each.file.path), each]))
  const identified = (command: Session.Command): Session.Command => {
    if (command._tag !== "PutFile" && command._tag !== "RunScript") return command
    const found = byName.get(command._tag === "PutFile" ? command.fileName : command.scriptName)
    if (found === undefined) return command
    const { file, sha256 } = found
    return command._tag === "PutFile"
      ? Session.PutFile.make({ ...command, fileName: file.fileName, sha256 })
      : Session.RunScript.make({ ...command, scriptName: file.fileName, sha256 })
  }
  return Session.Session.make({ ...session, commands: Arr.map(session.commands, identified) })
}

/** What a person confirms, as in `upload collect.ps1 to the library and run on 120 machines`; nothing if no yes is needed. */
export const confirmation = (
  uploads: ReadonlyArray<LibraryUpload.Compared>,
  {
    cancelBlocking,
    machines,
    many,
  }: {
    readonly cancelBlocking: boolean
    readonly machines: number
    readonly many: number
  },
): string | undefined => {
  const { added, replaced } = LibraryUpload.described(uploads)
  const parts = [
    added,
    replaced,
    cancelBlocking ? "cancel sessions of others that are in progress on the machines" : undefined,
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
