/**
 * What a run will do: the selected machines, the files that it needs in the library, and what that costs. Nothing is changed.
 */
import type { ApiError } from "@live-response/core/ApiError"
import { Library } from "@live-response/core/Library"
import type { LibraryFile } from "@live-response/core/LibraryFile"
import * as Machine from "@live-response/core/Machine"
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

/** A file of this machine that the library lacks, or has other bytes of. */
export interface Upload {
  readonly file: LocalFile.LocalFile
  readonly state: Exclude<LibraryUpload.State, "same">
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
 * Compares the files of a run with the library: fails with a name that the library does not have, and returns what must be
 * uploaded. When a run resumes, a missing name is a warning: its sessions may all have started.
 */
export const checkLibrary = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  { isResuming }: { readonly isResuming: boolean },
) {
  const local = yield* Effect.forEach(names.filter(LibraryName.isPath), LocalFile.open)
  if (names.length === 0) return []
  const files = yield* libraryFiles({ isOptional: local.length === 0 })
  if (files === undefined) return []
  for (const name of names) {
    if (LibraryName.isPath(name) || files.some(({ fileName }) => fileName === name)) continue
    const problem = LibraryUpload.notInLibrary(files, name)
    if (!isResuming) return yield* problem
    yield* Messages.write(`live-response: ${problem.message}`)
  }
  const uploads: Array<Upload> = []
  for (const file of local) {
    const state = yield* LibraryUpload.stateOf(files, file)
    if (state !== "same") uploads.push({ file, state })
  }
  return uploads
})

/** What a person confirms, as in `upload collect.ps1 to the library and run on 120 machines`; nothing if no yes is needed. */
export const confirmation = (
  uploads: ReadonlyArray<Upload>,
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
  const named = (state: Upload["state"]) =>
    uploads.flatMap((upload) => (upload.state === state ? [printable(upload.file.fileName)] : [])).join(", ")
  const parts = [
    ...(named("absent") === "" ? [] : [`upload ${named("absent")} to the library`]),
    ...(named("other") === "" ? [] : [`replace ${named("other")} in the library, which has other content`]),
    ...(cancelBlocking ? ["cancel sessions of others that are in progress on the machines"] : []),
    ...(machines > many ? [`run on ${machines} machines`] : []),
  ]
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
