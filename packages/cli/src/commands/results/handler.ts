/**
 * What `live-response results` does: writes the script results of a directory as a table, `results.csv` for people and
 * `results.jsonl` for programs.
 */
import * as AtomicFile from "@live-response/core/AtomicFile"
import * as FileName from "@live-response/core/FileName"
import * as JsonLines from "@live-response/core/JsonLines"
import * as Manifest from "@live-response/core/Manifest"
import type * as ManifestEntry from "@live-response/core/ManifestEntry"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import * as StoredAction from "@live-response/core/StoredAction"
import * as TerminalText from "@live-response/core/TerminalText"
import * as NodeDirectFileSystem from "@live-response/node/NodeDirectFileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Failure from "../../Failure.ts"
import * as Damage from "../../input/Damage.ts"
import * as ResultsDirectory from "../../input/ResultsDirectory.ts"
import * as StoredScript from "../../input/StoredScript.ts"
import * as CommandText from "../../output/CommandText.ts"
import * as Format from "../../output/Format.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import * as UnusableFiles from "../../output/UnusableFiles.ts"
import * as Columns from "./columns.ts"
import * as Database from "./sqlite.ts"

/** Without it, spreadsheets decode the file with a legacy encoding. */
const byteOrderMark = "\uFEFF"

/** How many files are read at once. */
const concurrency = 8

interface Options {
  readonly sqlite: Option.Option<string>
  readonly json: boolean
}

/** Writes the table of a directory, or its SQLite file, and reports where it is. */
export const write = Effect.fnUntraced(
  function* (directory: string, { json, sqlite }: Options) {
    const files = yield* ResultsDirectory.open(directory)
    if (Option.isSome(sqlite)) {
      const written = yield* Database.write(files, sqlite.value)
      const text = `${Format.counted(written.rows, "result")} in ${printable(written.sqlite)}.`
      return yield* Console.log(json ? printableJson(JSON.stringify(written)) : text)
    }
    const completed = yield* Damage.read(files, "manifest", (onDamaged) => Manifest.streamCompleted(files, onDamaged))
    const counts: Counts = { rows: 0, unnamed: 0, unidentified: 0 }
    const unusable = UnusableFiles.make(directory, unusableWords)
    const { resultsLines, resultsTable } = FileName.single
    // A damaged line of an action may be found only when a row needs it.
    yield* Damage.read(files, "actions", (onDamaged) =>
      Effect.flatMap(StoredAction.index(files, onDamaged), (actions) =>
        writeJsonLines(files, resultsLines, counting(readRows(files, completed.found, actions, unusable.add), counts)),
      ),
    )
    yield* unusable.report
    // The lines that were just written are read again, so that memory does not grow with the number of rows.
    yield* writeCsv(files, resultsTable, JsonLines.read(files, resultsLines, Columns.Row))
    const { rows, unnamed } = counts
    const report = { rows, unnamed, csv: files.pathOf(resultsTable), jsonl: files.pathOf(resultsLines) }
    yield* Console.log(json ? printableJson(JSON.stringify(report)) : summary({ directory, ...report, ...counts }))
  },
  Effect.scoped,
  Effect.mapError(Failure.fromError),
  Effect.provide(NodeDirectFileSystem.layerBatch),
)

const unusableWords = {
  one: (path: string) => `no row for ${path}:`,
  many: (files: string) => `no row for ${files}`,
}

interface Counts {
  rows: number
  /** Rows whose machine has no name. */
  unnamed: number
  /** Those of them that have no id of the machine either: nobody has looked up their action. */
  unidentified: number
}

const counting = <E, R>(rows: Stream.Stream<Columns.Row, E, R>, counts: Counts) =>
  Stream.tap(rows, ({ machineId, machineName }) =>
    Effect.sync(() => {
      counts.rows++
      if (machineName !== "") return
      counts.unnamed++
      if (machineId === "") counts.unidentified++
    }),
  )

const writeJsonLines = <E, R>(files: PrivateDirectory, name: string, rows: Stream.Stream<Columns.Row, E, R>) =>
  writeFile(
    files,
    name,
    rows.pipe(
      Stream.mapEffect((row) => Effect.orDie(Columns.encodeRow(row))),
      Stream.map((line) => `${printableJson(line)}\n`),
    ),
  )

const writeCsv = <E, R>(files: PrivateDirectory, name: string, rows: Stream.Stream<Columns.Row, E, R>) => {
  const header = Stream.succeed<ReadonlyArray<string>>(Columns.columns)
  const lines = Stream.concat(header, Stream.map(rows, Columns.cellsOf)).pipe(
    Stream.pipeThroughChannel(Csv.encodeString()),
  )
  return writeFile(files, name, Stream.concat(Stream.succeed(byteOrderMark), lines))
}

/** Replaces a file in one step. Two runs at once do not write to the same temporary file. */
const writeFile = <E, R>(files: PrivateDirectory, name: string, text: Stream.Stream<string, E, R>) =>
  AtomicFile.write(files, name, Stream.encodeText(text), FileName.partOf(name, process.pid))

/** What `actions.jsonl` says of a machine action. */
const knownAction = ({
  commands,
  computerDnsName = "",
  machineId = "",
}: StoredAction.StoredAction): Columns.KnownAction => ({
  // In a prepared file they may have any length, and the row could not be read back.
  machineId: TerminalText.shorten(machineId),
  machineName: TerminalText.shorten(computerDnsName),
  types: new Map(commands.map(({ index, type }) => [index, type])),
})

type OnUnusable = (file: UnusableFiles.UnusableFile) => void

const readRows = <E, R>(
  files: PrivateDirectory,
  completed: Stream.Stream<ManifestEntry.Completed, E, R>,
  actions: StoredAction.Index,
  onUnusable: OnUnusable,
) =>
  completed.pipe(
    Stream.mapEffect(
      (entry) =>
        Effect.flatMap(actions.find(entry.machineActionId), (action) =>
          readRow(files, entry, Option.getOrUndefined(Option.map(action, knownAction)), onUnusable),
        ),
      { concurrency },
    ),
    Stream.flattenIterable,
  )

/** Reads a result, and returns its row, or no row if it is not a script's result. `onUnusable` gets the file where one was expected. */
const readRow = (
  files: PrivateDirectory,
  entry: ManifestEntry.Completed,
  known: Columns.KnownAction | undefined,
  onUnusable: OnUnusable,
) => {
  const type = known?.types.get(entry.index) ?? ""
  if (type === "GetFile") return Effect.succeed([])
  return StoredScript.read(files, entry, Columns.startLimit).pipe(
    Effect.map((script) => [Columns.rowOf(entry, script, known)]),
    Effect.catchTag("Unusable", ({ message }) => {
      if (StoredScript.isExpected(type, entry.path)) onUnusable({ path: entry.path, problem: message })
      return Effect.succeed([])
    }),
  )
}

const summary = ({
  csv,
  directory,
  jsonl,
  rows,
  unidentified,
  unnamed,
}: Counts & { readonly directory: string; readonly csv: string; readonly jsonl: string }): string => {
  const nameless = unnamed - unidentified
  return [
    `${Format.counted(rows, "script result")}, one row each, in ${printable(csv)} and ${printable(jsonl)}.`,
    ...(unidentified === 0 ? [] : [CommandText.lookUp(`${Format.count(unidentified)} of them`, directory)]),
    ...(nameless === 0
      ? []
      : [
          `The API has no name for the machine of ${Format.count(nameless)} of them: its id is in the column machineId.`,
        ]),
  ].join("\n")
}
