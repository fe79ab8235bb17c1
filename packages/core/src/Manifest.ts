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
import * as ResultEvent from "./ResultEvent.ts"
import * as FileName from "./FileName.ts"
import * as JsonLines from "./JsonLines.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import type { ResultRef } from "./ResultRef.ts"
import * as ResultRefs from "./ResultRef.ts"
import type { StoredResult } from "./ResultStore.ts"
import type { StoreError } from "./StoreError.ts"

/** A line of an older version has none. */
const at = Schema.optionalKey(ResultEvent.Completed.fields.at)

/**
 * One line of the manifest: a target that was finished, one way or the other, and when. The last line of a target counts.
 * A line whose `path` is not the one that its result has by its id and index is not an entry: no path is taken from a file.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry = Schema.Union([
  Schema.Struct({ status: Schema.tag("completed"), ...Struct.omit(ResultEvent.Completed.fields, ["event"]), at }).check(
    Schema.makeFilter((entry) => FileName.kindOf(entry, entry.path) !== undefined || "Expected the path of its result"),
  ),
  Schema.Struct({ status: Schema.tag("failed"), ...Struct.omit(ResultEvent.Failed.fields, ["event"]), at }),
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
  readonly append: (event: ResultEvent.Completed | ResultEvent.Failed) => Effect.Effect<void, StoreError>

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

const toEntry = (event: ResultEvent.Completed | ResultEvent.Failed): Entry =>
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
 * The entries of `<directory>/manifest.jsonl` as they stand there, in order; none where there is no such file. It reads
 * alone: a batch may be writing there.
 *
 * @since 0.1.0
 * @category reading
 */
export const entries = (directory: PrivateDirectory.PrivateDirectory): Stream.Stream<Entry, StoreError> =>
  JsonLines.read(directory, FileName.single.manifest, Entry)

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
): Effect.Effect<ReadonlyArray<Completed>, StoreError> =>
  Stream.runFold(
    entries(directory),
    () => new Map<string, Completed>(),
    (there, entry) => {
      const key = `${entry.machineActionId}:${entry.index}`
      there.delete(key)
      return entry.status === "completed" ? there.set(key, entry) : there
    },
  ).pipe(Effect.map((there) => Array.from(there.values())))

/** So many damaged lines are named. */
const namedLines = 5

const warning = (path: string, lines: ReadonlyArray<number>): string => {
  const named = lines.slice(0, namedLines).join(", ") + (lines.length > namedLines ? ", …" : "")
  return lines.length === 1
    ? `${path}: line ${named} is damaged and was passed over; its target is done again`
    : `${path}: ${lines.length} lines are damaged and were passed over (${named}); their targets are done again`
}

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
      const damaged: Array<number> = []
      yield* JsonLines.read(directory, FileName.single.manifest, Entry, ({ line }) =>
        Effect.sync(() => damaged.push(line)),
      ).pipe(Stream.runForEach((entry) => Effect.sync(() => index.add(entry))))
      if (damaged.length > 0) yield* Effect.logWarning(warning(directory.pathOf(FileName.single.manifest), damaged))

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
