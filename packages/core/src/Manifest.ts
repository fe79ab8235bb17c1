/**
 * The list of what a batch has finished, so that the next run does not do it again.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import { Completed, Failed } from "./BatchEvent.ts"
import * as JsonLines from "./JsonLines.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import type { ResultRef } from "./ResultRef.ts"
import * as ResultRefs from "./ResultRef.ts"
import type { StoredResult } from "./ResultStore.ts"
import { fromPlatformError, type StoreError } from "./StoreError.ts"

/** A line of an older version has none. */
const at = Schema.optionalKey(Completed.fields.at)

/**
 * One line of the manifest: a target that was finished, one way or the other, and when. The last line of a target counts.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry = Schema.Union([
  Schema.Struct({ status: Schema.tag("completed"), ...Struct.omit(Completed.fields, ["event"]), at }),
  Schema.Struct({ status: Schema.tag("failed"), ...Struct.omit(Failed.fields, ["event"]), at }),
])

/**
 * @since 0.1.0
 * @category models
 */
export type Entry = typeof Entry.Type

/**
 * What the manifest knows of a target: where its result is, or that it failed.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome =
  | ({ readonly status: "completed" } & Pick<StoredResult, "path" | "bytes">)
  | { readonly status: "failed" }

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** What became of a target, if anything did. */
  readonly find: (ref: ResultRef) => Effect.Effect<Option.Option<Outcome>>

  /** Remembers what became of a target, for this run and for the next. */
  readonly append: (event: Completed | Failed) => Effect.Effect<void, StoreError>

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

const toEntry = (event: Completed | Failed): Entry =>
  event.event === "completed"
    ? { status: "completed", ...Struct.omit(event, ["event"]) }
    : { status: "failed", ...Struct.omit(event, ["event"]) }

/** The last outcome of each target. What an entry holds beyond that stays in the file. */
const makeIndex = () => {
  const outcomes = new Map<string, Outcome>()
  return {
    add: (entry: Pick<Entry, "machineActionId" | "index"> & Outcome) => {
      const outcome: Outcome =
        entry.status === "completed"
          ? { status: "completed", path: entry.path, bytes: entry.bytes }
          : { status: "failed" }
      outcomes.set(`${entry.machineActionId}:${entry.index}`, outcome)
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
 * Where the manifest of a directory of results stands.
 *
 * @since 0.1.0
 * @category reading
 */
export const fileIn = (paths: Path.Path, directory: string): string => paths.join(directory, "manifest.jsonl")

/**
 * The entries of `<directory>/manifest.jsonl` as they stand there, in order; none where there is no such file. It reads
 * alone: the directory is not made, and a batch may be writing there.
 *
 * @since 0.1.0
 * @category reading
 */
export const entries = (directory: string): Stream.Stream<Entry, StoreError, FileSystem.FileSystem | Path.Path> =>
  Stream.unwrap(Path.Path.useSync((paths) => JsonLines.read(fileIn(paths, directory), Entry)))

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
      const fs = yield* FileSystem.FileSystem
      const paths = yield* Path.Path
      const index = makeIndex()

      yield* Effect.mapError(PrivateDirectory.make(fs, paths, options.directory), fromPlatformError(options.directory))
      const path = fileIn(paths, options.directory)
      const file = yield* JsonLines.open(path, Entry)
      const damaged: Array<number> = []
      yield* JsonLines.read(path, Entry, ({ line }) => Effect.sync(() => damaged.push(line))).pipe(
        Stream.runForEach((entry) => Effect.sync(() => index.add(entry))),
      )
      if (damaged.length > 0) yield* Effect.logWarning(warning(path, damaged))

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
