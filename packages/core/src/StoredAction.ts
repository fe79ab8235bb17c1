/**
 * The format of a line of `actions.jsonl`: a machine action whose results are in the directory.
 *
 * **Details**
 *
 * - A line has the fields of a `MachineAction` and a `version`. Lines that were written before there were versions have none
 *   and are of version 1.
 * - Fields that are not known are ignored, so a later release may add optional ones without a new version.
 * - A line of a newer version is refused: reading fails with a `StoreError` that names the line, and the file is left as it
 *   is.
 * - Damaged lines are skipped, and `readBrief` and `index` report them: the file only adds names to results, and the API can be asked for them again.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as FileName from "./FileName.ts"
import * as ActionLineForm from "./internal/actionLineForm.ts"
import * as FormatVersion from "./internal/formatVersion.ts"
import { lineAt } from "./internal/lineAt.ts"
import * as MatchedAction from "./internal/matchedAction.ts"
import * as MatchedLines from "./internal/matchedLines.ts"
import { ResultIndex } from "./internal/resultIndex.ts"
import * as JsonLines from "./JsonLines.ts"
import { type Brief, MachineAction, type MachineActionId } from "./MachineAction.ts"
import type { PrivateDirectory } from "./PrivateDirectory.ts"
import { fromPlatformError, type StoreError } from "./StoreError.ts"

/**
 * The version of the lines that this release writes. It reads this version and all before it.
 *
 * @since 0.1.0
 * @category constants
 */
export const version = 1

/**
 * One line: a machine action with the version of the format.
 *
 * @since 0.1.0
 * @category schemas
 */
export class StoredAction extends MachineAction.extend<StoredAction>("@live-response/core/StoredAction")({
  version: Schema.tag(version).pipe(Schema.withDecodingDefaultKey(Effect.succeed(version))),
}) {}

/**
 * The machine actions of `<directory>/actions.jsonl` in their order. None if there is no such file.
 *
 * **Details**
 *
 * It only reads, so a download may write to the directory meanwhile.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = (directory: PrivateDirectory): Stream.Stream<StoredAction, StoreError> =>
  JsonLines.read(
    directory,
    FileName.single.actions,
    StoredAction,
    FormatVersion.refuseNewerLine(directory.pathOf(FileName.single.actions), version),
  )

type OnDamaged = (damaged: JsonLines.DamagedLine) => Effect.Effect<void>

/** The lines of a file by the ids of their actions, without those that `skim` takes or notes itself. */
const readIds = Effect.fnUntraced(function* (
  directory: PrivateDirectory,
  makeSkim: (note: (bytes: Uint8Array, lineStart: number, offset: number) => void) => JsonLines.Skim,
  onDamaged: OnDamaged = () => Effect.void,
) {
  const name = FileName.single.actions
  const ids = new ResultIndex(yield* Random.nextInt)
  const refuseNewer = FormatVersion.refuseNewerLine(directory.pathOf(name), version)
  yield* JsonLines.readLocated(directory, name, StoredAction, {
    onDamaged: (damaged) => Effect.andThen(refuseNewer(damaged), onDamaged(damaged)),
    skim: makeSkim((bytes, lineStart, offset) => void ids.set(bytes, lineStart + ActionLineForm.idStart, 0, 0, offset)),
  }).pipe(
    Stream.runForEach(({ entry, offset }) => Effect.sync(() => ids.set(encoder.encode(entry.id), 0, 0, 0, offset))),
  )
  return ids
})

/** Passes over the lines whose beginning and end show which action they have, and notes these. */
const skimNamed = (note: (bytes: Uint8Array, lineStart: number, offset: number) => void): JsonLines.Skim => ({
  match: () => -1,
  take: () => {},
  skips: (bytes, at, offset, end) => {
    const isNamed = ActionLineForm.isNamed(bytes, at, end)
    if (isNamed) note(bytes, at, offset)
    return isNamed
  },
})

const readUndamaged = (directory: PrivateDirectory, onDamaged?: OnDamaged) =>
  readIds(directory, (note) => ({ match: ActionLineForm.form, take: note }), onDamaged)

/**
 * The machine actions of a file as `read` gives them, without what is not shown.
 *
 * **When to use**
 *
 * Use it for a file that may have very many actions: a line as this release writes it costs a tenth.
 *
 * **Details**
 *
 * `onDamaged` receives each line that can't be read, whose action is not among them.
 *
 * @since 0.1.0
 * @category reading
 */
export const readBrief = (
  directory: PrivateDirectory,
  { onDamaged = () => Effect.void, ...part }: JsonLines.Part & { readonly onDamaged?: OnDamaged | undefined } = {},
): Stream.Stream<Brief, StoreError> =>
  Stream.suspend(() => {
    const name = FileName.single.actions
    const { merge, skim } = MatchedLines.make<Brief>(
      ActionLineForm.form,
      (bytes, at, end) => MatchedAction.brief(bytes.subarray(at, end)) ?? "decode",
    )
    const refuseNewer = FormatVersion.refuseNewerLine(directory.pathOf(name), version)
    return merge(
      JsonLines.readLocated(directory, name, StoredAction, {
        ...part,
        onDamaged: (damaged) => Effect.andThen(refuseNewer(damaged), onDamaged(damaged)),
        skim,
      }),
      ({ entry }) => entry,
    )
  })

/**
 * Reads which machine actions `<directory>/actions.jsonl` has, in lines that can be read. None if there is no such file.
 *
 * **When to use**
 *
 * Use it before appending, so that each action is in the file once. Some 35 bytes of each are in memory.
 *
 * @since 0.1.0
 * @category reading
 */
export const stored = (
  directory: PrivateDirectory,
): Effect.Effect<{ readonly has: (id: MachineActionId) => boolean }, StoreError> =>
  Effect.map(readUndamaged(directory), (ids) => ({ has: (id) => ids.find(encoder.encode(id), 0, 0) >= 0 }))

/**
 * Finds machine actions in a file, of which only the ids are in memory.
 *
 * @since 0.1.0
 * @category models
 */
export interface Index {
  /** Reads a machine action. Its last line that is not damaged counts. None if the file has none. */
  readonly find: (id: MachineActionId) => Effect.Effect<Option.Option<StoredAction>, StoreError>
}

/**
 * Reads where the machine actions of `<directory>/actions.jsonl` are. None if there is no such file.
 *
 * **When to use**
 *
 * Use it in place of `read` for a file that may have very many actions: some 35 bytes of each are in memory, and only the
 * beginning and the end of a line are read until its action is asked for.
 *
 * **Details**
 *
 * `onDamaged` receives each line that can't be read, once. A line that is damaged only in its middle is found when an action is
 * asked for whose line it was.
 *
 * @since 0.1.0
 * @category reading
 */
export const index = Effect.fnUntraced(function* (
  directory: PrivateDirectory,
  onDamaged: (damaged: JsonLines.DamagedLine) => Effect.Effect<void> = () => Effect.void,
): Effect.fn.Return<Index, StoreError, Scope.Scope> {
  const name = FileName.single.actions
  /** The numbers of the lines that were reported: the file may be read twice. */
  const reported = new Set<number>()
  const report: OnDamaged = (damaged) =>
    Effect.suspend(() => {
      if (reported.has(damaged.line)) return Effect.void
      reported.add(damaged.line)
      return onDamaged(damaged)
    })
  const named = yield* readIds(directory, skimNamed, report)
  /** Without damaged lines. It is read once a damaged line is found, and that hides an earlier one of the action. */
  const undamaged = yield* Effect.cached(readUndamaged(directory, report))
  const file = yield* directory.openFile(name)
  const lineOf = Effect.fnUntraced(function* (ids: ResultIndex, id: MachineActionId) {
    const entry = ids.find(encoder.encode(id), 0, 0)
    if (entry < 0 || Option.isNone(file)) return ""
    const line = lineAt(file.value, ids.offsetOf(entry), JsonLines.longestLine)
    return yield* Effect.mapError(line, fromPlatformError(directory.pathOf(name)))
  })
  return {
    find: Effect.fnUntraced(function* (id) {
      const line = yield* lineOf(named, id)
      const action = decodeLine(line)
      return line === "" || Option.isSome(action) ? action : decodeLine(yield* lineOf(yield* undamaged, id))
    }),
  }
})

const encoder = new TextEncoder()

const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(StoredAction))

/**
 * Opens `<directory>/actions.jsonl` to append machine actions.
 *
 * **Gotchas**
 *
 * - It does not check what the file contains. Read it first, so that a file of a newer version is not changed.
 * - Only one program at a time may append to a file. `NodeDirectoryLock` locks a directory for one program.
 *
 * @since 0.1.0
 * @category writing
 */
export const open = (
  directory: PrivateDirectory,
): Effect.Effect<JsonLines.Appender<MachineAction>, StoreError, Scope.Scope> =>
  Effect.map(JsonLines.open(directory, FileName.single.actions, StoredAction), ({ append }) => ({
    append: (action) => append(StoredAction.make({ ...action })),
  }))
