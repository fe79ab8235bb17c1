/**
 * The list of what a batch has finished, so that the next run does not do it again.
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
import * as Struct from "effect/Struct"
import * as BatchEvent from "./BatchEvent.ts"
import * as FileName from "./FileName.ts"
import * as JsonLines from "./JsonLines.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import type { ResultRef } from "./ResultRef.ts"
import * as ResultRefs from "./ResultRef.ts"
import type { StoredResult } from "./ResultStore.ts"
import type { StoreError } from "./StoreError.ts"

/** A line of an older version has none. */
const at = Schema.optionalKey(BatchEvent.Completed.fields.at)

/**
 * One line of the manifest: a target that was finished, one way or the other, and when. The last line of a target counts.
 * A line whose `path` is not the one that its result has by its id and index is not an entry: no path is taken from a file.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry = Schema.Union([
  Schema.Struct({ status: Schema.tag("completed"), ...Struct.omit(BatchEvent.Completed.fields, ["event"]), at }).check(
    Schema.makeFilter((entry) => FileName.kindOf(entry, entry.path) !== undefined || "Expected the path of its result"),
  ),
  Schema.Struct({ status: Schema.tag("failed"), ...Struct.omit(BatchEvent.Failed.fields, ["event"]), at }),
])

/**
 * @since 0.1.0
 * @category models
 */
export type Entry = typeof Entry.Type

/**
 * What the manifest knows of a target: what its result is, or that it failed.
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
  /** What became of a target, if anything did. */
  readonly find: (ref: ResultRef) => Effect.Effect<Option.Option<Outcome>>

  /** Remembers what became of a target, for this run and for the next. */
  readonly append: (event: BatchEvent.Completed | BatchEvent.Failed) => Effect.Effect<void, StoreError>

  /** The targets whose last line says that they failed. */
  readonly failed: Effect.Effect<ReadonlyArray<ResultRef>>
}

/**
 * Remembers what a batch has finished.
 *
 * @since 0.1.0
 * @category services
 */
export class Manifest extends Context.Service<Manifest, Service>()("@live-response/core/Manifest") {}

const toEntry = (event: BatchEvent.Completed | BatchEvent.Failed): Entry =>
  event.event === "completed"
    ? { status: "completed", ...Struct.omit(event, ["event"]) }
    : { status: "failed", ...Struct.omit(event, ["event"]) }

const outcomeOf = (entry: Entry): Outcome | undefined => {
  if (entry.status === "failed") return { status: "failed" }
  const { bytes, path, sha256 } = entry
  const kind = FileName.kindOf(entry, path)
  return kind === undefined ? undefined : { status: "completed", kind, bytes, sha256 }
}

/** The last outcome of each target. What an entry holds beyond that stays in the file. */
const makeIndex = () => {
  const outcomes = new Map<string, Outcome>()
  return {
    add: (entry: Entry) => {
      const outcome = outcomeOf(entry)
      if (outcome !== undefined) outcomes.set(`${entry.machineActionId}:${entry.index}`, outcome)
    },
    find: (ref: ResultRef) => Effect.sync(() => Option.fromNullishOr(outcomes.get(String(ref)))),
    failed: Effect.sync(() =>
      Array.from(outcomes)
        .filter(([, outcome]) => outcome.status === "failed")
        .map(([key]) => decodeRef(key)),
    ),
  }
}

const decodeRef = Schema.decodeSync(ResultRefs.FromString)

/**
 * Remembers for this run alone.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<Manifest> = Layer.sync(Manifest, () => {
  const index = makeIndex()
  return {
    find: index.find,
    failed: index.failed,
    append: (event) => Effect.sync(() => index.add(toEntry(event))),
  }
})

/**
 * Is called for each damaged line of a manifest. What it recorded is not among the entries, so whoever reads them reports
 * it: one flipped bit would take a result out of every list in silence.
 *
 * @since 0.1.0
 * @category reading
 */
export type OnDamaged = (damaged: JsonLines.DamagedLine) => Effect.Effect<void>

/**
 * The entries of `<directory>/manifest.jsonl` as they stand there, in order; none where there is no such file. It reads
 * alone: a batch may be writing there, so a last line without a line feed is not reported as damaged.
 *
 * @since 0.1.0
 * @category reading
 */
export const entries = (
  directory: PrivateDirectory.PrivateDirectory,
  onDamaged: OnDamaged,
): Stream.Stream<Entry, StoreError> => JsonLines.read(directory, FileName.single.manifest, Entry, onDamaged)

/**
 * An entry of a result that was downloaded.
 *
 * @since 0.1.0
 * @category models
 */
export type Completed = Extract<Entry, { readonly status: "completed" }>

/**
 * The results that are there, in the order of the lines that say so: of each target the last line counts.
 *
 * @since 0.1.0
 * @category reading
 */
export const completed = (
  directory: PrivateDirectory.PrivateDirectory,
  onDamaged: OnDamaged,
): Effect.Effect<ReadonlyArray<Completed>, StoreError> =>
  Stream.runFold(
    entries(directory, onDamaged),
    () => new Map<string, Completed>(),
    (there, entry) => {
      const key = `${entry.machineActionId}:${entry.index}`
      there.delete(key)
      return entry.status === "completed" ? there.set(key, entry) : there
    },
  ).pipe(Effect.map((there) => Array.from(there.values())))

/** The damaged lines of a manifest: how many there are, and the numbers of the first few. */
class DamagedLines {
  count = 0
  readonly named: Array<number> = []

  readonly add: OnDamaged = ({ line }) =>
    Effect.sync(() => {
      this.count++
      if (this.named.length < 5) this.named.push(line)
    })

  /** What is said of them, if there are any. */
  warning(path: string, consequence: { readonly one: string; readonly many: string }): string | undefined {
    const named = this.named.join(", ") + (this.count > this.named.length ? ", …" : "")
    if (this.count === 0) return undefined
    return this.count === 1
      ? `${path}: line ${named} is damaged and was passed over; ${consequence.one}`
      : `${path}: ${this.count} lines are damaged and were passed over (${named}); ${consequence.many}`
  }
}

/**
 * Runs what reads a manifest, and logs one warning where it has damaged lines.
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

/**
 * Remembers in `<directory>/manifest.jsonl`, to which it only appends. A last line that was cut short, as a crash leaves
 * it, is cut off. Other damaged lines are passed over with one warning: their targets are done again.
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
      const index = makeIndex()
      const directory = yield* PrivateDirectory.open(options.directory)
      const file = yield* JsonLines.open(directory, FileName.single.manifest, Entry)
      const consequence = { one: "its target is done again", many: "their targets are done again" }
      yield* warnOfDamage(directory, consequence, (onDamaged) =>
        Stream.runForEach(entries(directory, onDamaged), (entry) => Effect.sync(() => index.add(entry))),
      )

      return {
        find: index.find,
        failed: index.failed,
        append: Effect.fnUntraced(function* (event) {
          const entry = toEntry(event)
          yield* file.append(entry)
          index.add(entry)
        }),
      }
    }),
  )
