/**
 * A store of positions: for each selection of machine actions, how far it has been followed.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { Position } from "./ActionFeed.ts"
import * as AtomicFile from "./AtomicFile.ts"
import * as FileName from "./FileName.ts"
import { cachedSuccess } from "./internal/cachedSuccess.ts"
import * as FormatVersion from "./internal/formatVersion.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import type { StoreError } from "./StoreError.ts"
import * as TerminalText from "./TerminalText.ts"

/**
 * Identifies a selection: all that decides which actions are selected, one `<field> <value>` each, in order.
 *
 * **Gotchas**
 *
 * Selections with the same key share a position: what one of them has handled, the other never sees. {@link makeKey} takes
 * every field of a selection.
 *
 * @since 0.1.0
 * @category models
 */
export const Key = Schema.Array(Schema.String).pipe(Schema.brand("@live-response/core/FollowPosition/Key"))

/**
 * @since 0.1.0
 * @category models
 */
export type Key = typeof Key.Type

/**
 * Makes the key of a selection from its fields and the values of each. Neither the order of fields nor that of values
 * matters, and a field without values is the same as none.
 *
 * **Details**
 *
 * Name the type of the fields, so that the compiler rejects a key in which a field of the selection is missing.
 *
 * **Example** (A key with every field of a selection)
 *
 * @example
 * ```ts
 * import * as FollowPosition from "@live-response/core/FollowPosition"
 *
 * interface Selection {
 *   readonly requestor: ReadonlyArray<string>
 *   readonly type: ReadonlyArray<string>
 * }
 *
 * const key = FollowPosition.makeKey<keyof Selection>({ type: ["LiveResponse"], requestor: [] })
 * console.log(key.join(", ")) // type LiveResponse
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeKey = <Field extends string>(fields: Readonly<Record<Field, ReadonlyArray<string>>>): Key =>
  Key.make(
    Object.entries<ReadonlyArray<string>>(fields)
      .flatMap(([field, values]) => values.map((value) => `${field} ${value}`))
      .toSorted(),
  )

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The last position saved for a selection; none if it was never followed. */
  readonly find: (key: Key) => Effect.Effect<Option.Option<Position>, StoreError>

  /** Replaces the position of a selection. It is durable when this returns, and a failure leaves the previous one. */
  readonly save: (key: Key, position: Position) => Effect.Effect<void, StoreError>

  /**
   * Whether the store may have lost what it had accepted since this was last asked, such as a database that failed over to a replica
   * that was behind. What was handled lately is then checked again. By default never.
   */
  readonly mayHaveLost?: Effect.Effect<boolean> | undefined
}

/**
 * Stores how far each selection has been followed.
 *
 * **When to use**
 *
 * {@link Follow} needs it. Use `layerFileSystem` for a program on one computer and `layerMemory` for tests; implement the
 * two functions over a table with a row for each key where programs share a database.
 *
 * **Gotchas**
 *
 * One program at a time may follow a selection: the last position saved replaces any other.
 *
 * @since 0.1.0
 * @category services
 */
export class FollowPosition extends Context.Service<FollowPosition, Service>()("@live-response/core/FollowPosition") {}

interface Saved {
  readonly what: Key
  readonly position: Position
}

/** By the text of their keys. */
type Positions = Map<string, Saved>

const textOf = (key: Key): string => JSON.stringify(key)

const positionsOf = (saved: Iterable<Saved>): Positions =>
  new Map(Array.from(saved, (each) => [textOf(each.what), each]))

const find = (positions: Positions, key: Key) => Option.fromNullishOr(positions.get(textOf(key))?.position)

/**
 * Stores positions for this program only.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<FollowPosition> = Layer.sync(FollowPosition, () => {
  const positions = positionsOf([])
  return {
    find: (key) => Effect.sync(() => find(positions, key)),
    save: (key, position) => Effect.sync(() => void positions.set(textOf(key), { what: key, position })),
  }
})

/**
 * The version of `follow.json` that this release writes. It reads this version and files without one, which came before.
 *
 * @since 0.1.0
 * @category files
 */
export const version = 1

/**
 * The content of `follow.json`: `what` is the key of a selection, `position` the position stored for it. Other fields are
 * ignored.
 *
 * @since 0.1.0
 * @category files
 */
export const File = Schema.Struct({
  version: Schema.optionalKey(Schema.Literal(version)),
  positions: Schema.Array(Schema.Struct({ what: Key, position: Position })),
})

/**
 * The most bytes read of `follow.json`: the actions that are open in each selection, of which a tenant has thousands.
 *
 * @since 0.1.0
 * @category files
 */
export const maxBytes = 16 * 1024 * 1024

/** A position further in the future would skip actions for as long. No clock of this program wrote it. */
const mostAhead = Duration.days(1)

const decodeFile = Schema.decodeOption(Schema.fromJsonString(File))
const encodeFile = Schema.encodeEffect(Schema.fromJsonString(File))

const parse = Schema.decodeOption(Schema.fromJsonString(Schema.Unknown))

/** What the file says. A file that cannot be read is set aside, and nothing is known then. */
const readFile = Effect.fnUntraced(function* (directory: PrivateDirectory.PrivateDirectory) {
  const name = FileName.single.follow
  const path = directory.pathOf(name)
  const text = Option.getOrUndefined(yield* directory.readString(name, maxBytes))
  if (text === undefined) return positionsOf([])
  const newer = Option.flatMap(parse(text), (file) => FormatVersion.newer(file, version))
  if (Option.isSome(newer)) return yield* FormatVersion.refusal(path, "it", newer.value, version)
  const latest = DateTime.addDuration(yield* DateTime.now, mostAhead)
  const isPossible = ({ positions }: typeof File.Type): boolean =>
    positions.every(({ position }) => DateTime.isLessThanOrEqualTo(position.since, latest))
  const file = Option.getOrUndefined(Option.filter(decodeFile(text), isPossible))
  if (file !== undefined) return positionsOf(file.positions)
  yield* directory.rename(name, FileName.brokenOf(name))
  yield* Effect.logWarning(
    `${path} is broken, and is now ${directory.pathOf(FileName.brokenOf(name))}; nothing is known of earlier runs, so following starts as if for the first time`,
  )
  return positionsOf([])
})

/** The positions of one directory, once its file has been read. */
const open = Effect.fnUntraced(function* (path: string) {
  const directory = yield* PrivateDirectory.open(path)
  const positions = yield* readFile(directory)
  const state = { written: "", isTooLong: false }

  /** The position before a text that is too long misses nothing: results that were downloaded since then are skipped. */
  const warnOfLength = Effect.suspend(() => {
    if (state.isTooLong) return Effect.void
    state.isTooLong = true
    return Effect.logWarning(
      `more actions are in progress than ${directory.pathOf(FileName.single.follow)} can list, so it is not updated; the next run checks them again`,
    )
  })

  return {
    find: (key: Key) => find(positions, key),
    save: Effect.fnUntraced(function* (key: Key, position: Position) {
      const next = new Map(positions).set(textOf(key), { what: key, position })
      const json = yield* Effect.orDie(encodeFile({ version, positions: Array.from(next.values()) }))
      if (json !== state.written) {
        const text = TerminalText.escapeJson(json)
        if (text.length > maxBytes) return yield* warnOfLength
        yield* AtomicFile.write(directory, FileName.single.follow, Stream.encodeText(Stream.succeed(text)))
        state.written = json
      }
      positions.set(textOf(key), { what: key, position })
    }),
  }
})

/**
 * Stores positions in `<directory>/follow.json`.
 *
 * **Details**
 *
 * The file is read at the first use, and replaced as a whole: a crash leaves the positions before or after, never a part.
 * A file that cannot be read is renamed to `follow.json.broken`, with a warning. A file of a newer version fails every
 * call with a `StoreError` and is left as it is.
 *
 * **Gotchas**
 *
 * One program at a time may use a directory; `NodeDirectoryLock` sees to it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem = ({
  directory,
}: {
  readonly directory: string
}): Layer.Layer<FollowPosition, never, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    FollowPosition,
    Effect.gen(function* () {
      const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
      const opened = yield* cachedSuccess(Effect.provide(open(directory), context))
      const saving = yield* Semaphore.make(1)
      return {
        find: (key) => Effect.map(opened, ({ find }) => find(key)),
        save: (key, position) => saving.withPermits(1)(Effect.flatMap(opened, ({ save }) => save(key, position))),
      }
    }),
  )
