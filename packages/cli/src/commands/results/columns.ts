/**
 * The columns of `results.csv` and `results.jsonl`, and the row of one script result.
 */
import type * as ManifestEntry from "@live-response/core/ManifestEntry"
import { ResultRef } from "@live-response/core/ResultRef"
import type * as ScriptResult from "@live-response/core/ScriptResult"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { cell } from "../../output/SpreadsheetCell.ts"

/** A row. The columns have this order. */
export const Row = Schema.Struct({
  machineId: Schema.String,
  machineName: Schema.String,
  ...ResultRef.fields,
  script: Schema.String,
  /** Null if it is not known. */
  exitCode: Schema.NullOr(Schema.Int),
  outputCharacters: Schema.Int,
  errorsCharacters: Schema.Int,
  outputStart: Schema.String,
  errorsStart: Schema.String,
  path: Schema.String,
  bytes: Schema.Int,
  sha256: Schema.String,
})

export type Row = typeof Row.Type

/** The names of the columns, the first line of `results.csv`. */
export const columns = Struct.keys(Row.fields)

/** A row of `results.csv`. */
export const cellsOf = (row: Row): ReadonlyArray<string> => columns.map((column) => cell(String(row[column] ?? "")))

/** A row of `results.jsonl`. */
export const encodeRow = Schema.encodeEffect(Schema.fromJsonString(Row))

/** What `actions.jsonl` says of a machine action. */
export interface KnownAction {
  readonly machineId: string
  readonly machineName: string
  /** The type of each command by its index. */
  readonly types: ReadonlyMap<number, string>
}

/** How many characters of a script's output and errors are decoded for the first lines. */
export const startLimit = 4096

export const rowOf = (
  { bytes, index, machineActionId, machineId = "", machineName = "", path, sha256 }: ManifestEntry.Completed,
  script: ScriptResult.Excerpt,
  known: KnownAction | undefined,
): Row => ({
  machineId: known?.machineId || TerminalText.shorten(machineId),
  machineName: known?.machineName || TerminalText.shorten(machineName),
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
})

/** The first three lines that are not blank, joined in one of at most 200 characters. */
const startOf = (text: string): string => {
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== "")
  return Array.from(lines.slice(0, 3).join(" | ")).slice(0, 200).join("")
}
