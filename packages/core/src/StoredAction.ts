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
 * - Damaged lines are skipped: the file only adds names to results, and the API can be asked for them again.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as FileName from "./FileName.ts"
import * as FormatVersion from "./internal/formatVersion.ts"
import * as JsonLines from "./JsonLines.ts"
import { MachineAction } from "./MachineAction.ts"
import type { PrivateDirectory } from "./PrivateDirectory.ts"
import type { StoreError } from "./StoreError.ts"

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
