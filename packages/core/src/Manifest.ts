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
import * as FormatVersion from "./internal/formatVersion.ts"
import * as JsonLines from "./JsonLines.ts"
import * as ManifestEntry from "./ManifestEntry.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import type * as ResultEvent from "./ResultEvent.ts"
import type { ResultRef } from "./ResultRef.ts"
import * as ResultRefs from "./ResultRef.ts"
import type { StoredResult } from "./ResultStore.ts"
import type { StoreError } from "./StoreError.ts"

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

const outcomeOf = (entry: ManifestEntry.ManifestEntry): Outcome | undefined => {
  if (entry.status === "failed") return { status: "failed" }
  const { bytes, path, sha256 } = entry
  const kind = FileName.kindOf(entry, path)
  return kind === undefined ? undefined : { status: "completed", kind, bytes, sha256 }
}

const decodeRef = Schema.decodeSync(ResultRefs.FromString)

/** The last outcome of each result. The rest of an entry is only in the file. */
const makeIndex = () => {
  const outcomes = new Map<string, Outcome>()
  /** The results that are investigation packages, which the API has another link for. */
  const packages = new Set<string>()
  const refOf = (key: string): ResultRef =>
    packages.has(key) ? ResultRefs.ActionResult.make({ ...decodeRef(key), isPackage: true }) : decodeRef(key)
  return {
    add: (entry: ManifestEntry.ManifestEntry) => {
      if (entry.isPackage === true) packages.add(ResultRefs.keyOf(entry))
      const outcome = outcomeOf(entry)
      if (outcome !== undefined) outcomes.set(ResultRefs.keyOf(entry), outcome)
    },
    find: (ref: ResultRef) => Effect.sync(() => Option.fromNullishOr(outcomes.get(String(ref)))),
    failed: Effect.sync(() =>
      Array.from(outcomes)
        .filter(([, outcome]) => outcome.status === "failed")
        .map(([key]) => refOf(key)),
    ),
  }
}

/**
 * Records in memory, for this run alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<Manifest> = Layer.sync(Manifest, () => {
  const { add, failed, find } = makeIndex()
  return { find, failed, append: (event) => Effect.sync(() => add(ManifestEntry.fromEvent(event))) }
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
): Stream.Stream<ManifestEntry.ManifestEntry, StoreError> => {
  const refuseNewer = FormatVersion.refuseNewerLine(directory.pathOf(FileName.single.manifest), ManifestEntry.version)
  return JsonLines.read(directory, FileName.single.manifest, ManifestEntry.ManifestEntry, (damaged) =>
    Effect.andThen(refuseNewer(damaged), onDamaged(damaged)),
  )
}

/**
 * The stored results of a directory. The last line of each result counts, and the results are in the order of these lines.
 *
 * @since 0.1.0
 * @category reading
 */
export const completed = (
  directory: PrivateDirectory.PrivateDirectory,
  onDamaged: OnDamaged,
): Effect.Effect<ReadonlyArray<ManifestEntry.Completed>, StoreError> =>
  Stream.runFold(
    entries(directory, onDamaged),
    () => new Map<string, ManifestEntry.Completed>(),
    (stored, entry) => {
      const key = ResultRefs.keyOf(entry)
      stored.delete(key)
      return entry.status === "completed" ? stored.set(key, entry) : stored
    },
  ).pipe(Effect.map((stored) => Array.from(stored.values())))

/** The damaged lines of a manifest: how many there are, and the numbers of the first few. */
class DamagedLines {
  count = 0
  readonly named: Array<number> = []

  readonly add: OnDamaged = ({ line }) =>
    Effect.sync(() => {
      this.count++
      if (this.named.length < 5) this.named.push(line)
    })

  /** The warning, if there are any. */
  warning(path: string, consequence: { readonly one: string; readonly many: string }): string | undefined {
    const named = this.named.join(", ") + (this.count > this.named.length ? ", …" : "")
    if (this.count === 0) return undefined
    return this.count === 1
      ? `${path}: line ${named} is damaged and was skipped; ${consequence.one}`
      : `${path}: ${this.count} lines are damaged and were skipped (${named}); ${consequence.many}`
  }
}

/**
 * Reads a manifest, and logs one warning if lines of it are damaged.
 *
 * @since 0.1.0
 * @category reading
 */
export const warnOfDamage = Effect.fnUntraced(function* <A, E, R>(
  directory: PrivateDirectory.PrivateDirectory,
  consequence: { readonly one: string; readonly many: string },
  read: (onDamaged: OnDamaged) => Effect.Effect<A, E, R>,
): Effect.fn.Return<A, E, R> {
  const damaged = new DamagedLines()
  const found = yield* read(damaged.add)
  const warning = damaged.warning(directory.pathOf(FileName.single.manifest), consequence)
  if (warning !== undefined) yield* Effect.logWarning(warning)
  return found
})

const readIndex = Effect.fnUntraced(function* (directory: PrivateDirectory.PrivateDirectory) {
  const index = makeIndex()
  const consequence = { one: "its result is downloaded again", many: "their results are downloaded again" }
  yield* warnOfDamage(directory, consequence, (onDamaged) =>
    Stream.runForEach(entries(directory, onDamaged), (entry) => Effect.sync(() => index.add(entry))),
  )
  return index
})

/**
 * Records in `<directory>/manifest.jsonl`, by appending a line for each result that finishes.
 *
 * **Details**
 *
 * `ManifestEntry` describes a line. Opening the manifest removes a last line that a crash cut short. Other damaged lines
 * are skipped with one warning, and their results are downloaded again.
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
      const { add, failed, find } = yield* readIndex(directory)
      return {
        find,
        failed,
        append: Effect.fnUntraced(function* (event) {
          const entry = ManifestEntry.fromEvent(event)
          yield* file.append(entry)
          add(entry)
        }),
      }
    }),
  )
