/**
 * All script results of a directory as a table, for who looks for the one machine among thousands.
 */
import * as JsonLines from "@live-response/core/JsonLines"
import { MachineAction, type MachineActionId } from "@live-response/core/MachineAction"
import * as Manifest from "@live-response/core/Manifest"
import { ResultRef } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as ScriptResult from "@live-response/core/ScriptResult"
import * as WholeFile from "@live-response/core/WholeFile"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import * as Failure from "./Failure.ts"
import * as KnownActions from "./KnownActions.ts"
import { cell } from "./output/Cell.ts"
import * as Format from "./output/Format.ts"
import * as Messages from "./output/Messages.ts"
import { printable, printableJson } from "./Printable.ts"
import * as Lists from "./Lists.ts"

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

type Kept = Extract<Manifest.Entry, { readonly status: "completed" }>

/** Without it a spreadsheet takes the file for one of an older encoding. */
const byteOrderMark = "\uFEFF"

/** What of a script's text is read for its first lines. */
const startLimit = 4096

/** So many files are read at once. */
const concurrency = 8

/** Writes the table of a directory twice: `results.csv` for people, `results.jsonl` for programs. */
export const write = Effect.fnUntraced(function* (directory: string, { json }: { readonly json: boolean }) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  yield* checkManifest(Manifest.fileIn(paths, directory))
  const kept = yield* completed(directory)
  const known = yield* knownActions(KnownActions.fileIn(paths, directory), kept)
  const store = yield* ResultStore.reader(directory)

  let rows = 0
  let unnamed = 0
  const lines = Stream.fromIterable(kept).pipe(
    Stream.mapEffect((entry) => rowOf(store, entry, known.get(entry.machineActionId)), { concurrency }),
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

  const jsonl = paths.join(directory, "results.jsonl")
  const csv = paths.join(directory, "results.csv")
  yield* writeWhole(fs, paths, jsonl, lines)
  // What was written is read again: no number of rows is ever in memory.
  const cells = Stream.map(JsonLines.read(jsonl, Row), (row) =>
    columns.map((column) => cell(String(row[column] ?? ""))),
  )
  yield* writeWhole(
    fs,
    paths,
    csv,
    Stream.concat(
      Stream.succeed(byteOrderMark),
      Stream.make(columns).pipe(Stream.concat(cells), Stream.pipeThroughChannel(Csv.encodeString())),
    ),
  )

  const report = { rows, unnamed, csv, jsonl }
  yield* Console.log(json ? printableJson(JSON.stringify(report)) : summary(report))
}, Effect.mapError(Failure.fromError))

const checkManifest = (path: string) =>
  Effect.mapError(Lists.checkReadable(path), ({ message }) =>
    Failure.usage(`${message}; name a directory into which live-response download has written`),
  )

/** Two runs at once do not write into each other's files. */
const writeWhole = <E, R>(
  fs: FileSystem.FileSystem,
  paths: Path.Path,
  path: string,
  text: Stream.Stream<string, E, R>,
) => WholeFile.write(fs, paths, path, Stream.encodeText(text), `${path}.${process.pid}.part`)

/** The results that are there, in the order of the lines that say so. */
const completed = (directory: string) =>
  Stream.runFold(
    Manifest.entries(directory),
    () => new Map<string, Kept>(),
    (kept, entry) => {
      const key = `${entry.machineActionId}:${entry.index}`
      kept.delete(key)
      return entry.status === "completed" ? kept.set(key, entry) : kept
    },
  ).pipe(Effect.map((kept) => Array.from(kept.values())))

/** What is known of an action: its machine, and what its commands are. */
interface Known {
  readonly machineId: string
  readonly machineName: string
  readonly types: ReadonlyMap<number, string>
}

/** What a list of actions beside the results says of the actions. */
const knownActions = (path: string, kept: ReadonlyArray<Kept>) => {
  const wanted = new Set(kept.map(({ machineActionId }) => machineActionId))
  return Stream.runFold(
    Stream.filter(JsonLines.read(path, MachineAction), ({ id }) => wanted.has(id)),
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
  store: Pick<ResultStore.Service, "has" | "read">,
  { bytes, index, machineActionId, path, sha256 }: Kept,
  known: Known | undefined,
) {
  const type = known?.types.get(index) ?? ""
  if (type === "GetFile") return []
  const isScript = type === "RunScript" || (type === "" && path.endsWith(".json"))
  const report = (why: string) => (isScript ? noRow(path, why) : Effect.void)
  if (!(yield* store.has({ path, bytes }))) {
    yield* report(`it is not there any more, or not as it was; live-response download ${machineActionId}:${index}`)
    return []
  }
  return yield* ScriptResult.decodeStream(store.read(path), { limit: startLimit }).pipe(
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
    Effect.catchTag("ScriptResultError", ({ message }) => Effect.as(report(message), [])),
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
