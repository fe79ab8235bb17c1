/**
 * Uploads files of this machine to the library, unless it has them.
 */
import { Hasher } from "@live-response/core/Hasher"
import { Library } from "@live-response/core/Library"
import type { LibraryFile } from "@live-response/core/LibraryFile"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Stream from "effect/Stream"
import { usage } from "../Failure.ts"
import * as KnownWords from "../input/KnownWords.ts"
import { printable } from "../output/Printable.ts"
import type { LocalFile } from "../input/LocalFile.ts"

/** What the library has of a file: nothing, the same bytes, or others under its name. */
export type State = "absent" | "same" | "other"

const sha256Of = Effect.fnUntraced(function* ({ content }: LocalFile) {
  const hash = (yield* Hasher)("SHA-256")
  yield* Stream.runForEach(content, (bytes) => Effect.sync(() => hash.update(bytes)))
  return Hex.encode(hash.digest())
})

/** The file with this name. Case does not matter. */
export const named = (files: ReadonlyArray<LibraryFile>, fileName: string): LibraryFile | undefined =>
  files.find((file) => file.fileName.toLowerCase() === fileName.toLowerCase())

/** Compares a file with the one that has exactly its name, by which the session will ask for it. */
export const stateOf = Effect.fnUntraced(function* (files: ReadonlyArray<LibraryFile>, file: LocalFile) {
  const known = files.find(({ fileName }) => fileName === file.fileName)
  if (known === undefined) return "absent"
  return (yield* sha256Of(file)) === known.sha256 ? "same" : "other"
})

/** Uploads a file, and replaces the one that has its name. */
export const upload = (
  { content, fileName }: LocalFile,
  options?: { readonly description?: string | undefined; readonly parametersDescription?: string | undefined },
) => Library.use((library) => library.upload({ fileName, content, overwrite: true, ...options }))

/** The failure of a name that the library does not have, with the names that may be meant. */
export const notInLibrary = (files: ReadonlyArray<LibraryFile>, name: string) => {
  const names = files.map(({ fileName }) => fileName)
  const close = KnownWords.close(names, name).slice(0, 3).map(printable)
  const hint =
    close.length > 0
      ? `did you mean ${close.join(", ")}?`
      : "live-response library list shows its files, and live-response library upload FILE adds one"
  return usage(`the library has no file ${printable(name.slice(0, 200))}; ${hint}`)
}
