/**
 * A directory of results as rows: one for each result that was downloaded, or failed. `stack`, `report` and
 * `results --sqlite` read the same rows.
 */
import * as Hasher from "@live-response/core/Hasher"
import type { MachineActionId } from "@live-response/core/MachineAction"
import * as Manifest from "@live-response/core/Manifest"
import type * as ManifestEntry from "@live-response/core/ManifestEntry"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import type * as ScriptResult from "@live-response/core/ScriptResult"
import type { StoreError } from "@live-response/core/StoreError"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ActionsFileReader from "./ActionsFileReader.ts"
import * as Damage from "./Damage.ts"
import * as StoredScript from "./StoredScript.ts"

/** What is unknown is `""`. */
interface Common {
  readonly machineActionId: MachineActionId
  readonly index: number
  readonly machineId: string
  readonly machineName: string
  /** The script that ran, or the file that was collected. */
  readonly source: string
  /** When it finished, in milliseconds since 1970. The first releases did not record it. */
  readonly at: number | undefined
  readonly links: number
  readonly attempts: number
}

interface Stored extends Common {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/** The result of a script, with the beginning of its output and its errors. */
export interface ScriptRow extends Stored {
  readonly kind: "script"
  readonly script: typeof ScriptResult.Excerpt.Encoded
}

/** A collected file, or anything else that is not the result of a script. */
export interface FileRow extends Stored {
  readonly kind: "file"
}

/** A script's result was expected, and its file can't be used: `problem` says why. */
export interface UnusableRow extends Stored {
  readonly kind: "unusable"
  readonly problem: string
}

/** The download failed. */
export interface FailedRow extends Common {
  readonly kind: "failed"
  readonly problem: string
}

export type ResultRow = ScriptRow | FileRow | UnusableRow | FailedRow

/** What is kept of a line of the manifest until its result is read. */
type Recorded = Common & (Pick<Stored, "path" | "bytes" | "sha256"> | { readonly problem: string })

/** Whether the output or the errors of a row are truncated. */
export const isTruncated = ({ script }: ScriptRow): boolean =>
  script.outputLength > script.output.length || script.errorsLength > script.errors.length

/** The name by which people know the machine of a row. */
export const machineOf = ({ machineActionId, machineId, machineName }: Common): string =>
  machineName || machineId || `machine of ${machineActionId}`

/** What identifies a machine, because several may have the same name: the id; without one the name, or else the action. */
export const machineKey = ({
  machineActionId,
  machineId,
  machineName,
}: Pick<Common, "machineId" | "machineName"> & { readonly machineActionId: string }): string =>
  machineId.toLowerCase() || machineName.toLowerCase() || machineActionId

const recordedOf = (entry: ManifestEntry.ManifestEntry, known: ActionsFileReader.KnownAction | undefined): Recorded => {
  const { at, attempts, index, links, machineActionId } = entry
  const common = {
    machineActionId,
    index,
    machineId: known?.machineId || (entry.machineId ?? ""),
    machineName: known?.machineName || (entry.machineName ?? ""),
    source:
      entry.script ?? entry.sourcePath ?? known?.commands.find((command) => command.index === index)?.source ?? "",
    at: at === undefined ? undefined : DateTime.toEpochMillis(at),
    links,
    attempts,
  }
  return entry.status === "failed"
    ? { ...common, problem: entry.message }
    : { ...common, path: entry.path, bytes: entry.bytes, sha256: entry.sha256 }
}

type Script = ScriptRow["script"]

const scriptRow = (result: Common & Pick<Stored, "path" | "bytes" | "sha256">, script: Script): ScriptRow => ({
  ...result,
  kind: "script",
  source: script.scriptName || result.source,
  script,
})

/** The row of a result whose file need not be read, or can be read at once. */
const rowNow = (
  result: Recorded,
  type: string,
  readNow: (stored: StoredScript.Stored) => Script | undefined,
): ResultRow | undefined => {
  if ("problem" in result) return { ...result, kind: "failed" }
  if (type === "GetFile") return { ...result, kind: "file" }
  const script = readNow(result)
  return script && scriptRow(result, script)
}

/** Reads the file of a result. The content decides whether it is the result of a script. */
const readRow = (
  files: PrivateDirectory,
  result: Recorded,
  type: string,
  limit: number,
): Effect.Effect<ResultRow, StoreError, never> => {
  if ("problem" in result) return Effect.succeed({ ...result, kind: "failed" })
  return StoredScript.read(files, result, limit).pipe(
    Effect.map((script): ResultRow => scriptRow(result, script)),
    Effect.catchTag("Unusable", ({ message }) =>
      Effect.succeed<ResultRow>(
        StoredScript.isExpected(type, result.path)
          ? { ...result, kind: "unusable", problem: message }
          : { ...result, kind: "file" },
      ),
    ),
  )
}

/** The last line of each result, and the actions. Damaged lines are a warning, and counted. */
const readFiles = Effect.fnUntraced(function* (files: PrivateDirectory) {
  const manifest = yield* Damage.read(files, "manifest", (onDamaged) => Manifest.streamFinished(files, onDamaged))
  const actions = yield* Damage.read(files, "actions", (onDamaged) => ActionsFileReader.read(files, onDamaged))
  const damaged = { ...Damage.none, manifest: manifest.damaged, actions: actions.damaged } satisfies Damage.Damaged
  return { finished: manifest.found, actions: actions.found, damaged }
})

/** The rows of a directory as its manifest has them: no file is read, so each result that is stored is a file. */
export const recorded = Effect.fnUntraced(function* (files: PrivateDirectory) {
  const { actions, damaged, finished } = yield* readFiles(files)
  const rows = Stream.map(finished, (entry): FileRow | FailedRow => {
    const result = recordedOf(entry, actions.get(entry.machineActionId))
    return "problem" in result ? { ...result, kind: "failed" } : { ...result, kind: "file" }
  })
  return { actions, damaged, rows }
})

/**
 * The rows of a directory in the order of its manifest, and what is known of its actions. `limit` is how many characters of an
 * output, and of the errors, a row has at most.
 */
export const read = Effect.fnUntraced(function* (files: PrivateDirectory, { limit }: Limit) {
  const { actions, damaged, finished } = yield* readFiles(files)
  return { actions, damaged, rows: yield* ofEntries(files, finished, actions, { limit }) }
})

interface Limit {
  readonly limit: number
}

/** The rows of entries of the manifest, with what is known of their actions. */
export const ofEntries = Effect.fnUntraced(function* <E>(
  files: PrivateDirectory,
  finished: Stream.Stream<ManifestEntry.ManifestEntry, E>,
  actions: ReadonlyMap<MachineActionId, ActionsFileReader.KnownAction>,
  { limit }: Limit,
) {
  const hasher = yield* Hasher.Hasher
  const readNow = (stored: StoredScript.Stored) => StoredScript.readNow(files, hasher, stored, limit)

  /** The rows from an entry on that are there at once; if its own is not, that one. */
  const rowsFrom = (entries: ReadonlyArray<ManifestEntry.ManifestEntry>, from: number) =>
    Effect.suspend(() => {
      const rows: Array<ResultRow> = []
      for (let at = from; at < Math.min(entries.length, from + rowsAtOnce); at++) {
        const entry = entries[at]
        if (entry === undefined) break
        const known = actions.get(entry.machineActionId)
        const type = known?.commands.find(({ index }) => index === entry.index)?.type ?? ""
        const result = recordedOf(entry, known)
        const row = rowNow(result, type, readNow)
        if (row === undefined && rows.length > 0) break
        if (row === undefined) return Effect.map(readRow(files, result, type, limit), (row) => [row])
        rows.push(row)
      }
      return Effect.succeed(rows)
    })

  const rowsOf = (entries: ReadonlyArray<ManifestEntry.ManifestEntry>) =>
    Stream.paginate(0, (from) =>
      Effect.map(rowsFrom(entries, from), (rows) => {
        const next = from + rows.length
        return [rows, next < entries.length ? Option.some(next) : Option.none<number>()]
      }),
    )
  return Stream.flatMap(Stream.chunks(finished), rowsOf)
})

/** How many files are read before other fibers run: some five milliseconds, and at most 8 MB. */
const rowsAtOnce = 128
