/**
 * All script results of a directory as a table, for who looks for the one machine among thousands.
 */
import * as FileName from "@live-response/core/FileName"
import * as JsonLines from "@live-response/core/JsonLines"
import type { MachineActionId } from "@live-response/core/MachineAction"
import * as Manifest from "@live-response/core/Manifest"
import type * as ManifestEntry from "@live-response/core/ManifestEntry"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import { ResultRef } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as ScriptResult from "@live-response/core/ScriptResult"
import * as Verification from "@live-response/core/Verification"
import * as AtomicFile from "@live-response/core/AtomicFile"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import * as Failure from "./Failure.ts"
import * as ActionsFile from "./ActionsFile.ts"
import { cell } from "./output/Cell.ts"
import * as Format from "./output/Format.ts"
import * as Messages from "./output/Messages.ts"
import { printable, printableJson } from "./Printable.ts"
import * as StoredResults from "./StoredResults.ts"

/** A script result. The columns are in this order. */
const Row = Schema.Struct({
  machineId: Schema.String,
  machineName: Schema.String,
  ...ResultRef.fields,
  script: Schema.String,
  /** Null where it is not known. */
  exitCode: Schema.NullOr(Schema.Int),
  outputCharacters: Schema.Int,
  errorsCharacters: Schema.Int,
  outputStart: Schema.String,
  errorsStart: Schema.String,
  path: Schema.String,
  bytes: Schema.Int,
  sha256: Schema.String,
})

type Row = typeof Row.Type

const columns = Struct.keys(Row.fields)

const encodeRow = Schema.encodeEffect(Schema.fromJsonString(Row))

/** A file is not what was downloaded. */
class Changed extends Schema.TaggedError<Changed>("@live-response/cli/Results/Changed")("Changed", {
  message: Schema.String,
}) {}

/** Without it a spreadsheet takes the file for one of an older encoding. */
const byteOrderMark = "\uFEFF"

/** What of a script's text is read for its first lines. */
const startLimit = 4096

/** So many files are read at once. */
const concurrency = 8

/** Writes the table of a directory twice: `results.csv` for people, `results.jsonl` for programs. */
export const write = Effect.fnUntraced(function* (directory: string, { json }: { readonly json: boolean }) {
  const files = yield* StoredResults.open(directory)
  const kept = yield* Manifest.completed(files)
  const known = yield* knownActions(files, kept)

  let rows = 0
  let unnamed = 0
  const lines = Stream.fromIterable(kept).pipe(
    Stream.mapEffect((entry) => rowOf(files, entry, known.get(entry.machineActionId)), { concurrency }),
    Stream.flattenIterable,
    Stream.tap((row) =>
      Effect.sync(() => {
        rows++
        if (row.machineName === "") unnamed++
      }),
    ),
    Stream.mapEffect((row) => Effect.orDie(encodeRow(row))),
    Stream.map((line) => `${printableJson(line)}\n`),
  )

  const { resultsLines, resultsTable } = FileName.single
  yield* writeWhole(files, resultsLines, lines)
  // What was written is read again: no number of rows is ever in memory.
  const cells = Stream.map(JsonLines.read(files, resultsLines, Row), (row) =>
    columns.map((column) => cell(String(row[column] ?? ""))),
  )
  yield* writeWhole(
    files,
    resultsTable,
    Stream.concat(
      Stream.succeed(byteOrderMark),
      Stream.make(columns).pipe(Stream.concat(cells), Stream.pipeThroughChannel(Csv.encodeString())),
    ),
  )

  const report = { rows, unnamed, csv: files.pathOf(resultsTable), jsonl: files.pathOf(resultsLines) }
  yield* Console.log(json ? printableJson(JSON.stringify(report)) : summary(report))
}, Effect.mapError(Failure.fromError))

/** Two runs at once do not write into each other's files. */
const writeWhole = <E, R>(files: PrivateDirectory, name: string, text: Stream.Stream<string, E, R>) =>
  AtomicFile.write(files, name, Stream.encodeText(text), FileName.partOf(name, process.pid))

/** What is known of an action: its machine, and what its commands are. */
interface Known {
  readonly machineId: string
  readonly machineName: string
  readonly types: ReadonlyMap<number, string>
}

/** What a list of actions beside the results says of the actions. */
const knownActions = (files: PrivateDirectory, kept: ReadonlyArray<ManifestEntry.Completed>) => {
  const wanted = new Set(kept.map(({ machineActionId }) => machineActionId))
  return Stream.runFold(
    Stream.filter(ActionsFile.read(files), ({ id }) => wanted.has(id)),
    () => new Map<MachineActionId, Known>(),
    (known, { commands, computerDnsName = "", id, machineId = "" }) => {
      const types = new Map(commands.map(({ index, type }) => [index, type]))
      return known.set(id, { machineId, machineName: computerDnsName, types })
    },
  )
}

/**
 * One row, or none. Whether a result is a script's its content says, which may be gzip or in another encoding. Where its
 * command ran a script, or is not known and the result is JSON, and there is no row, that is reported.
 */
const rowOf = Effect.fnUntraced(function* (
  files: PrivateDirectory,
  { bytes, index, machineActionId, path, sha256 }: ManifestEntry.Completed,
  known: Known | undefined,
) {
  const type = known?.types.get(index) ?? ""
  if (type === "GetFile") return []
  const isScript = type === "RunScript" || (type === "" && path.endsWith(".json"))
  const report = (why: string) => (isScript ? noRow(path, why) : Effect.void)
  const store = ResultStore.reader(files)
  if (!(yield* store.has({ path, bytes }))) {
    yield* report(`it is not there any more, or not as it was; live-response download ${machineActionId}:${index}`)
    return []
  }
  const verified = Verification.whileRead(store.read(path), { bytes, sha256 }, (message) =>
    Effect.fail(new Changed({ message })),
  )
  return yield* ScriptResult.decodeStream(verified, { limit: startLimit }).pipe(
    Effect.map((script): ReadonlyArray<Row> => [
      {
        machineId: known?.machineId ?? "",
        machineName: known?.machineName ?? "",
        machineActionId,
        index,
        script: script.scriptName,
        exitCode: script.exitCode ?? null,
        outputCharacters: script.outputLength,
        errorsCharacters: script.errorsLength,
        outputStart: startOf(script.output),
        errorsStart: startOf(script.errors),
        path,
        bytes,
        sha256,
      },
    ]),
    Effect.catchTags({
      ScriptResultError: ({ message }) => Effect.as(report(message), []),
      Changed: ({ message }) => Effect.as(report(message), []),
    }),
  )
})

const noRow = (path: string, why: string) => Messages.write(printable(`live-response: no row for ${path}: ${why}`))

/** The first three lines that say something, as one of 200 characters at most. */
const startOf = (text: string): string => {
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== "")
  return Array.from(lines.slice(0, 3).join(" | ")).slice(0, 200).join("")
}

const summary = ({
  csv,
  jsonl,
  rows,
  unnamed,
}: {
  readonly rows: number
  readonly unnamed: number
  readonly csv: string
  readonly jsonl: string
}): string =>
  [
    `${Format.count(rows)} script results, a row each, in ${printable(csv)} and ${printable(jsonl)}.`,
    ...(unnamed === 0
      ? []
      : [
          `The machine's name is not known for ${Format.count(unnamed)} of them: live-response download ID, an id alone, looks it up.`,
        ]),
  ].join("\n")
