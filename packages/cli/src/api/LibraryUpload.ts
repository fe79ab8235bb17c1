/**
 * Uploads files of this machine to the library, unless it has them.
 */
import { digestOf, Hasher } from "@live-response/core/Hasher"
import { Library } from "@live-response/core/Library"
import * as LibraryFile from "@live-response/core/LibraryFile"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { usage } from "../Failure.ts"
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
 * Uploads a file. It replaces only what the comparison found: where the library had no such file, and somebody has uploaded one
 * since, the service refuses.
 */
export const upload = (
  { file: { bytes, fileName }, state }: Compared,
  options?: { readonly description?: string | undefined; readonly parametersDescription?: string | undefined },
) =>
  Library.use((library) =>
    library.upload({ fileName, content: Stream.succeed(bytes), overwrite: state !== "absent", ...options }),
  )

const namesOf = (compared: ReadonlyArray<Compared>, state: State): string =>
  compared.flatMap((each) => (each.state === state ? [printable(each.file.fileName)] : [])).join(", ")

/** What a person confirms: the files that are new, and those that replace others. */
export const described = (
  compared: ReadonlyArray<Compared>,
): { readonly added: string | undefined; readonly replaced: string | undefined } => {
  const [added, replaced] = [namesOf(compared, "absent"), namesOf(compared, "other")]
  return {
    added: added === "" ? undefined : `upload ${added} to the library`,
    replaced: replaced === "" ? undefined : `replace ${replaced} in the library, which has other content`,
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
