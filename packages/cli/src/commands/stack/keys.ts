/**
 * What results are stacked by: `--by`, and the values of a row.
 */
import * as ScriptFields from "@live-response/core/ScriptFields"
import * as Stack from "@live-response/core/Stack"
import type * as ResultRows from "../../input/ResultRows.ts"

const columns: Readonly<Record<string, (row: ResultRows.ScriptRow) => string>> = {
  exit_code: ({ script }) => String(script.exitCode ?? ""),
  "first-line": ({ script }) => Stack.firstLine(script.output),
  output: ({ machineName, script }) => Stack.normalise(script.output, machineName),
  errors: ({ machineName, script }) => Stack.normalise(script.errors, machineName),
  script: ({ source }) => source,
  sha256: ({ sha256 }) => sha256,
}

/** The values of `--by`, for help and messages. */
export const choices: ReadonlyArray<string> = [...Object.keys(columns), ".FIELD"]

/** Returns the values of a row. Only a field may have none or several. */
export type Key = (row: ResultRows.ScriptRow) => ReadonlyArray<string>

const ofField =
  (name: string): Key =>
  ({ script }) =>
    ScriptFields.valuesOf(ScriptFields.parse(script.output)?.records ?? [], name)

/** Parses `--by`: a column, or a dot and the name of a field. */
export const parse = (by: string): Key | undefined => {
  if (by.startsWith(".") && by.length > 1) return ofField(by.slice(1))
  const column = Object.hasOwn(columns, by) ? columns[by] : undefined
  return column === undefined ? undefined : (row) => [column(row)]
}
