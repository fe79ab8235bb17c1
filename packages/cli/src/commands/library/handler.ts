/**
 * What `live-response library` does: lists, uploads and deletes the files of the live response library.
 */
import { Library } from "@live-response/core/Library"
import * as LibraryFile from "@live-response/core/LibraryFile"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as LibraryUpload from "../../api/LibraryUpload.ts"
import * as Confirmation from "../../input/Confirmation.ts"
import * as LocalFile from "../../input/LocalFile.ts"
import * as LibraryText from "../../output/LibraryText.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable } from "../../output/Printable.ts"
import * as RowPrinter from "../../output/RowPrinter.ts"

const makePrinter = (format: RowPrinter.Format | undefined) =>
  RowPrinter.make({ columns: LibraryText.columns, toJson: LibraryText.toJson, format })

export const list = Effect.fnUntraced(function* (format: RowPrinter.Format | undefined) {
  const library = yield* Library
  yield* Stream.runForEach(library.list, yield* makePrinter(format))
})

interface UploadOptions {
  readonly files: ReadonlyArray<string>
  readonly description: Option.Option<string>
  readonly parameters: Option.Option<string>
  readonly yes: boolean
  readonly json: boolean
}

/** Whether the library has what the flags describe the file with. */
const isDescribed = (known: LibraryFile.LibraryFile | undefined, { description, parameters }: UploadOptions): boolean =>
  Option.getOrElse(description, () => known?.description) === known?.description &&
  Option.getOrElse(parameters, () => known?.parametersDescription) === known?.parametersDescription

/** All files are checked, and replacements confirmed, before the first one is sent. */
export const upload = Effect.fnUntraced(function* (options: UploadOptions) {
  yield* LocalFile.checkNames(options.files, () => true)
  const local = yield* Effect.forEach(new Set(options.files), LocalFile.read)
  const library = yield* Library
  const files = yield* Stream.runCollect(library.list)
  const compared = yield* Effect.forEach(local, (file) => LibraryUpload.compare(files, file))
  const { replaced } = LibraryUpload.described(compared)
  if (replaced !== undefined) yield* Confirmation.confirm(replaced, options)
  const print = yield* makePrinter(options.json ? "json" : undefined)
  const isThere = ({ known, state }: LibraryUpload.Compared) => state === "same" && isDescribed(known, options)
  yield* LibraryUpload.checkUnchanged(compared.filter((each) => !isThere(each)))
  for (const each of compared) {
    const { file, known } = each
    if (known !== undefined && isThere(each)) {
      yield* StandardError.write(`${printable(file.fileName)}: the library has it already`)
      yield* print(known)
      continue
    }
    const uploaded = yield* LibraryUpload.upload(each, {
      description: Option.getOrUndefined(options.description) ?? known?.description,
      parametersDescription: Option.getOrUndefined(options.parameters) ?? known?.parametersDescription,
    })
    yield* print(uploaded)
  }
})

/** The names that the library does not have are reported before anything is deleted. */
export const remove = Effect.fnUntraced(function* (options: {
  readonly names: ReadonlyArray<string>
  readonly yes: boolean
}) {
  const library = yield* Library
  const files = yield* Stream.runCollect(library.list)
  const found = options.names.map((name) => LibraryFile.named(files, name)?.fileName)
  const missing = options.names.find((_, i) => found[i] === undefined)
  if (missing !== undefined) return yield* LibraryUpload.notInLibrary(files, missing)
  // A file may be named twice, in two spellings.
  const names = Arr.dedupe(found.filter((name) => name !== undefined))
  yield* Confirmation.confirm(`delete ${names.map(printable).join(", ")} from the library`, options)
  for (const name of names) {
    yield* library.delete(name)
    yield* StandardError.write(`${printable(name)}: deleted`)
  }
})
