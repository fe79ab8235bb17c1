/**
 * Uploads files of this machine to the library, unless it has them.
 */
import { digestOf, Hasher } from "@live-response/core/Hasher"
import { Library } from "@live-response/core/Library"
import * as LibraryFile from "@live-response/core/LibraryFile"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Stream from "effect/Stream"
import { failed, usage } from "../Failure.ts"
import * as KnownWords from "../input/KnownWords.ts"
import { printable } from "../output/Printable.ts"
import type { LocalFile } from "../input/LocalFile.ts"

/** What the library has of a file: nothing, the same bytes, or others under its name. */
export type State = "absent" | "same" | "other"

/** A file of this machine, compared with the library. */
export interface Compared {
  /** With the name as the library spells it, if it has the file: a session asks for it by this name. */
  readonly file: LocalFile
  readonly sha256: string
  readonly state: State
  /** What the library has under this name. */
  readonly known: LibraryFile.LibraryFile | undefined
}

/** Compares a file with the one that has its name in the library. */
export const compare = Effect.fnUntraced(function* (files: ReadonlyArray<LibraryFile.LibraryFile>, file: LocalFile) {
  const { hex: sha256 } = yield* digestOf((yield* Hasher)("SHA-256"), Stream.succeed(file.bytes))
  const known = LibraryFile.named(files, file.fileName)
  const state = known === undefined ? "absent" : known.sha256 === sha256 ? "same" : "other"
  return { file: { ...file, fileName: known?.fileName ?? file.fileName }, sha256, state, known } satisfies Compared
})

/**
 * Fails if a file that would be replaced is no longer the compared one: a person says yes to the replacement of that one alone.
 * Call it after the yes, right before the uploads.
 */
export const checkUnchanged = Effect.fnUntraced(function* (compared: ReadonlyArray<Compared>) {
  const replaced = compared.filter(({ state }) => state !== "absent")
  if (replaced.length === 0) return
  const files = yield* Library.use(({ list }) => Stream.runCollect(list))
  for (const { file, known } of replaced) {
    const now = LibraryFile.named(files, file.fileName)
    // A file that was deleted meanwhile has nothing to lose.
    if (now === undefined || Equal.equals(now, known)) continue
    return yield* failed(
      `somebody has uploaded another ${printable(file.fileName)} to the library meanwhile, so nothing was uploaded; run the command again`,
    )
  }
})

/**
 * Uploads a file. Where the library had no such file, and somebody has uploaded one since the comparison, the service refuses. A
 * replacement has no such condition: `checkUnchanged` looks right before it.
 */
export const upload = (
  { file: { bytes, fileName }, state }: Compared,
  options?: { readonly description?: string | undefined; readonly parametersDescription?: string | undefined },
) =>
  Library.use((library) =>
    library.upload({ fileName, content: Stream.succeed(bytes), overwrite: state !== "absent", ...options }),
  )

/** The names of the files that are new, and of those that replace others. */
export const namesOf = (compared: ReadonlyArray<Compared>) => {
  const of = (state: State) => compared.flatMap((each) => (each.state === state ? [each.file.fileName] : []))
  return { added: of("absent"), replaced: of("other") }
}

const listed = (names: ReadonlyArray<string>): string => names.map(printable).join(", ")

/** What a person confirms: the files that are new, and those that replace others. */
export const described = (
  compared: ReadonlyArray<Compared>,
): { readonly added: string | undefined; readonly replaced: string | undefined } => {
  const { added, replaced } = namesOf(compared)
  return {
    added: added.length === 0 ? undefined : `upload ${listed(added)} to the library`,
    replaced: replaced.length === 0 ? undefined : `replace ${listed(replaced)} in the library, which has other content`,
  }
}

/** The failure of a name that the library does not have, with the names that may be meant. */
export const notInLibrary = (files: ReadonlyArray<LibraryFile.LibraryFile>, name: string) => {
  const names = files.map(({ fileName }) => fileName)
  const close = KnownWords.close(names, name).slice(0, 3).map(printable)
  const hint =
    close.length > 0
      ? `did you mean ${close.join(", ")}?`
      : "live-response library list shows its files, and live-response library upload FILE adds one"
  return usage(`the library has no file ${printable(name.slice(0, 200))}; ${hint}`)
}
