/**
 * The record of the results that a batch has finished, so that the next run does not download them again.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FileName from "./FileName.ts"
import { lineAt } from "./internal/lineAt.ts"
import * as ManifestIndex from "./internal/manifestIndex.ts"
import * as JsonLines from "./JsonLines.ts"
import * as ManifestEntry from "./ManifestEntry.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import type * as ResultEvent from "./ResultEvent.ts"
import type { ResultRef } from "./ResultRef.ts"
import * as ResultRefs from "./ResultRef.ts"
import type { StoredResult } from "./ResultStore.ts"
import { fromPlatformError, type StoreError } from "./StoreError.ts"

/**
 * What the manifest knows of a result: what was stored, or that it failed.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome =
  | ({ readonly status: "completed"; readonly kind: FileName.Kind } & Pick<StoredResult, "bytes" | "sha256">)
  | { readonly status: "failed" }

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The last outcome of a result. None if it never finished. */
  readonly find: (ref: ResultRef) => Effect.Effect<Option.Option<Outcome>, StoreError>

  /** Records how a result finished, for this run and the next. */
  readonly append: (event: ResultEvent.Completed | ResultEvent.Failed) => Effect.Effect<void, StoreError>

  /** The results whose last outcome is a failure. */
  readonly failed: Effect.Effect<ReadonlyArray<ResultRef>, StoreError>
}

/**
 * Records the results that a batch has finished.
 *
 * @since 0.1.0
 * @category services
 */
export class Manifest extends Context.Service<Manifest, Service>()("@live-response/core/Manifest") {}

/**
 * The outcome that an entry records. None if its path is not the one of its result.
 *
 * **When to use**
 *
 * In a manifest of your own that stores entries.
 *
 * @since 0.1.0
 * @category conversions
 */
export const outcomeOf = (entry: ManifestEntry.ManifestEntry): Outcome | undefined => {
  if (entry.status === "failed") return { status: "failed" }
  const { bytes, path, sha256 } = entry
  const kind = FileName.kindOf(entry, path)
  return kind === undefined ? undefined : { status: "completed", kind, bytes, sha256 }
}

const decodeRef = Schema.decodeSync(ResultRefs.ResultRef)

/**
 * The result as that of an investigation package, for which the API has another link.
 *
 * @since 0.1.0
 * @category conversions
 */
export const asPackage = (ref: ResultRef): ResultRef => ResultRefs.ActionResult.make({ ...ref, isPackage: true })

/**
 * Records in memory, for this run alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<Manifest> = Layer.sync(Manifest, () => {
  const outcomes = new Map<string, Outcome>()
  const packages = new Set<string>()
  const decodeKey = Schema.decodeSync(ResultRefs.FromString)
  return {
    find: (ref) => Effect.sync(() => Option.fromNullishOr(outcomes.get(ResultRefs.keyOf(ref)))),
    failed: Effect.sync(() =>
      Array.from(outcomes)
        .filter(([, outcome]) => outcome.status === "failed")
        .map(([key]) => (packages.has(key) ? asPackage(decodeKey(key)) : decodeKey(key))),
    ),
    append: (event) =>
      Effect.sync(() => {
        if (event.isPackage === true) packages.add(ResultRefs.keyOf(event))
        const outcome = outcomeOf(ManifestEntry.fromEvent(event))
        if (outcome !== undefined) outcomes.set(ResultRefs.keyOf(event), outcome)
      }),
  }
})

/**
 * Receives each damaged line of a manifest. Its result is not among the entries, so that the reader must report it: otherwise
 * one flipped bit would remove a result from every list unnoticed.
 *
 * @since 0.1.0
 * @category reading
 */
export type OnDamaged = (damaged: JsonLines.DamagedLine) => Effect.Effect<void>

/**
 * The entries of `<directory>/manifest.jsonl` in their order. None if there is no such file.
 *
 * **Details**
 *
 * It only reads, so a batch may write to the directory meanwhile: a last line without a line feed is not damaged. A line of a
 * newer version fails with a `StoreError` that names it.
 *
 * @since 0.1.0
 * @category reading
 */
export const entries = (
  directory: PrivateDirectory.PrivateDirectory,
  onDamaged: OnDamaged,
): Stream.Stream<ManifestEntry.ManifestEntry, StoreError> =>
  Stream.map(ManifestIndex.read(directory, onDamaged), ({ entry }) => entry)

/**
 * The last entry of one result, of `<directory>/manifest.jsonl`. None if it never finished.
 *
 * **Details**
 *
 * It reads the whole manifest as `entries` does, but of a line that begins as the record of another result it reads no more: it
 * is the fast way to one result. So it reports damaged lines except those of other results.
 *
 * @since 0.1.0
 * @category reading
 */
export const last = (
  directory: PrivateDirectory.PrivateDirectory,
  ref: Pick<ResultRef, "index" | "machineActionId">,
  onDamaged: OnDamaged,
): Effect.Effect<Option.Option<ManifestEntry.ManifestEntry>, StoreError> =>
  ManifestIndex.read(directory, onDamaged, ManifestIndex.skipOthers(ref)).pipe(
    Stream.map(({ entry }) => entry),
    Stream.filter(({ index, machineActionId }) => index === ref.index && machineActionId === ref.machineActionId),
    Stream.runLast,
  )

/**
 * The finished results of a directory, stored or failed. It reads as `streamCompleted` does: the last line of each result counts,
 * and a million results are never in memory together. `part` is the part of the manifest that is read: by default all of it.
 *
 * @since 0.1.0
 * @category reading
 */
export const streamFinished = (
  directory: PrivateDirectory.PrivateDirectory,
  onDamaged: OnDamaged,
  part?: JsonLines.Part,
): Effect.Effect<Stream.Stream<ManifestEntry.ManifestEntry, StoreError>, StoreError> =>
  Effect.map(ManifestIndex.make(directory, onDamaged, part), (index) => ManifestIndex.finished(directory, index, part))

/**
 * The stored results of a directory. The last line of each result counts, and the results are in the order of these lines.
 *
 * **Details**
 *
 * The effect reads the manifest once, and notes which lines count: some 35 bytes a result. The stream reads it once more, so
 * that a million results are never in memory together. What is appended meanwhile is not among them.
 *
 * @since 0.1.0
 * @category reading
 */
export const streamCompleted = (
  directory: PrivateDirectory.PrivateDirectory,
  onDamaged: OnDamaged,
): Effect.Effect<Stream.Stream<ManifestEntry.Completed, StoreError>, StoreError> =>
  Effect.map(ManifestIndex.make(directory, onDamaged), (index) => ManifestIndex.completed(directory, index))

/**
 * All results of `streamCompleted`.
 *
 * @since 0.1.0
 * @category reading
 */
export const completed = (
  directory: PrivateDirectory.PrivateDirectory,
  onDamaged: OnDamaged,
): Effect.Effect<ReadonlyArray<ManifestEntry.Completed>, StoreError> =>
  Effect.flatMap(streamCompleted(directory, onDamaged), Stream.runCollect)

/**
 * Reads a manifest, and logs one warning if lines of it are damaged.
 *
 * @since 0.1.0
 * @category reading
 */
export const warnOfDamage = <A, E, R>(
  directory: PrivateDirectory.PrivateDirectory,
  consequence: { readonly one: string; readonly many: string },
  read: (onDamaged: OnDamaged) => Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> => JsonLines.warnOfDamage(directory.pathOf(FileName.single.manifest), consequence, read)

const readIndex = (directory: PrivateDirectory.PrivateDirectory) => {
  const consequence = { one: "its result is downloaded again", many: "their results are downloaded again" }
  return warnOfDamage(directory, consequence, (onDamaged) => ManifestIndex.make(directory, onDamaged))
}

const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(ManifestEntry.ManifestEntry))

/** The outcome that is recorded at a position of the file. */
const outcomeAt = (file: FileSystem.File, position: number) =>
  Effect.map(lineAt(file, position, JsonLines.longestLine), (line) =>
    Option.flatMap(decodeLine(line), (entry) => Option.fromNullishOr(outcomeOf(entry))),
  )

/**
 * Records in `<directory>/manifest.jsonl`, by appending a line for each result that finishes.
 *
 * **Details**
 *
 * `ManifestEntry` describes a line. Opening the manifest removes a last line that a crash cut short. Other damaged lines
 * are skipped with one warning, and their results are downloaded again.
 *
 * The layer is built once the whole file is read, because the last line of a result counts, and a line of a newer version must
 * stop the program before it does anything. Some 35 bytes of each result are in memory, also of those that this run appends;
 * `find` reads the rest from the file.
 *
 * **Gotchas**
 *
 * A line of a newer version fails the layer with a `StoreError` that names the line and leaves the file as it is.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem = (options: {
  readonly directory: string
}): Layer.Layer<Manifest, StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    Manifest,
    Effect.gen(function* () {
      const directory = yield* PrivateDirectory.open(options.directory)
      const file = yield* JsonLines.open(directory, FileName.single.manifest, ManifestEntry.ManifestEntry)
      const index = yield* readIndex(directory)
      const opened = yield* directory.openFile(FileName.single.manifest)
      const storeError = fromPlatformError(directory.pathOf(FileName.single.manifest))
      return {
        find: (ref) =>
          Effect.suspend((): Effect.Effect<Option.Option<Outcome>, StoreError> => {
            const found = index.find(ref)
            if (found === undefined) return Effect.succeedNone
            if (found === "failed") return Effect.succeedSome({ status: "failed" })
            if (Option.isNone(opened)) return Effect.succeedNone
            return Effect.mapError(outcomeAt(opened.value, found), storeError)
          }),
        failed: Effect.sync(() =>
          Array.from(index.failed(), (encoded) => {
            const ref = decodeRef(encoded)
            return index.isPackage(ref) ? asPackage(ref) : ref
          }),
        ),
        append: Effect.fnUntraced(function* (event) {
          const entry = ManifestEntry.fromEvent(event)
          const offset = yield* file.append(entry)
          if (outcomeOf(entry) !== undefined) index.add(entry, offset)
        }),
      }
    }),
  )
