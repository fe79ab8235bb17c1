/**
 * The fields in a script's output: JSON, CSV, or the lists of PowerShell's `Format-List`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { csvRecords } from "./internal/csvRecords.ts"
import { parseJson } from "./internal/parseJson.ts"

/**
 * One record of an output: the values of each field. The fields have the order of the output.
 *
 * **Details**
 *
 * A field inside another one is named by both, as in `Process.Path`. A list gives its field one value for each element.
 *
 * @since 0.1.0
 * @category models
 */
export type Fields = ReadonlyMap<string, ReadonlyArray<string>>

/**
 * The format of an output, and its records.
 *
 * @since 0.1.0
 * @category models
 */
export interface Parsed {
  readonly format: "json" | "csv" | "list"
  readonly records: ReadonlyArray<Fields>
}

/** Objects inside objects: what is deeper is left out, so that hostile output can't exhaust the stack. */
const deepest = 32

class Collected {
  readonly fields = new Map<string, Array<string>>()

  add(name: string, value: string): void {
    const values = this.fields.get(name)
    if (values === undefined) this.fields.set(name, [value])
    else values.push(value)
  }
}

/** Adds what is in a value of JSON to the fields of its record. */
const addJson = (collected: Collected, name: string, value: unknown, depth: number): void => {
  if (depth > deepest) return
  if (Array.isArray(value)) {
    for (const element of value) addJson(collected, name, element, depth + 1)
  } else if (Predicate.isReadonlyObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      addJson(collected, name === "" ? key : `${name}.${key}`, member, depth + 1)
    }
  } else if (name !== "") collected.add(name, value === null ? "" : String(value))
}

const recordOf = (value: unknown): Fields => {
  const collected = new Collected()
  addJson(collected, "", value, 0)
  return collected.fields
}

const valueOf = (json: string): unknown => Option.getOrUndefined(parseJson(json))

const isObject = (text: string): boolean => text.startsWith("{")

/** One object, a list of objects, or an object in each line. */
const fromJson = (text: string): ReadonlyArray<Fields> | undefined => {
  if (!isObject(text) && !text.startsWith("[")) return undefined
  const value = valueOf(text)
  if (Array.isArray(value)) return value.every(Predicate.isReadonlyObject) ? value.map(recordOf) : undefined
  if (value !== undefined) return [recordOf(value)]
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  if (!lines.every((line) => isObject(line.trimStart()))) return undefined
  const values = lines.map(valueOf)
  return values.every(Predicate.isReadonlyObject) ? values.map(recordOf) : undefined
}

/** `Export-Csv` of Windows PowerShell starts with a line that names the type of the objects. */
const withoutTypeLine = (text: string): string =>
  text.startsWith("#TYPE ") ? text.slice(text.indexOf("\n") + 1 || text.length) : text

/**
 * A header and at least one record, all with the same number of cells. One column counts only if it is quoted, as PowerShell
 * writes it: otherwise any text of two lines would be CSV.
 */
const fromCsv = (text: string): ReadonlyArray<Fields> | undefined => {
  const table = withoutTypeLine(text)
  // Of most outputs, the first line shows that they are something else.
  const hasOneColumn = table === text && !table.slice(0, table.indexOf("\n") + 1).includes(",")
  if (hasOneColumn && !table.startsWith('"')) return undefined
  const [header, ...rows] = csvRecords(table) ?? []
  if (header === undefined || rows.length === 0) return undefined
  if (header.length === 1 && !table.startsWith('"')) return undefined
  if (header.includes("") || new Set(header).size < header.length) return undefined
  if (rows.some(({ length }) => length !== header.length)) return undefined
  return rows.map((row) => new Map(header.map((name, i) => [name, [row[i] ?? ""]])))
}

/** Where the colon of `Name : value` is, or -1. */
const colonOf = (line: string): number => {
  const at = `${line} `.indexOf(" : ")
  return at > 0 && line[0] !== " " ? at + 1 : -1
}

/** A block of lines as a record. `Format-List` puts the colons below each other and indents what continues a value. */
const recordOfBlock = (lines: ReadonlyArray<string>): Fields | undefined => {
  const colon = colonOf(lines[0] ?? "")
  if (colon === -1) return undefined
  const fields = new Map<string, Array<string>>()
  let value: Array<string> = []
  for (const line of lines) {
    if (line.slice(0, colon).trim() === "" && line[colon] !== ":") value[0] = `${value[0]}${line.trim()}`
    else if (line[colon] === ":" && line[colon - 1] === " " && line[0] !== " ") {
      value = [line.slice(colon + 1).trim()]
      fields.set(line.slice(0, colon).trimEnd(), value)
    } else return undefined
  }
  return fields
}

/** The blocks of `Format-List`, which blank lines separate. Other text between them is passed over. */
const fromList = (text: string): ReadonlyArray<Fields> | undefined => {
  const blocks: Array<Array<string>> = [[]]
  for (const line of text.split("\n")) {
    if (line.trim() === "") blocks.push([])
    else blocks.at(-1)?.push(line)
  }
  const records = blocks.flatMap((lines) => recordOfBlock(lines) ?? [])
  return records.length === 0 ? undefined : records
}

const formats = [
  ["json", fromJson],
  ["csv", fromCsv],
  ["list", fromList],
] as const

/**
 * Parses an output, or returns `undefined` if it has none of the formats.
 *
 * **Details**
 *
 * - JSON: an object, a list of objects, or an object in each line (`ConvertTo-Json`)
 * - CSV: a header and records of as many cells, separated by commas (`ConvertTo-Csv`, `Export-Csv`)
 * - lists: blocks of `Name : value` (`Format-List`). Other lines between the blocks are passed over.
 *
 * Members of JSON that are more than 32 levels deep are left out.
 *
 * **Gotchas**
 *
 * An output that was truncated is rarely JSON. Parse the whole output.
 *
 * **Example** (The output of `Get-Service | Format-List Name, Status`)
 *
 * @example
 * ```ts
 * import * as ScriptFields from "@live-response/core/ScriptFields"
 *
 * const parsed = ScriptFields.parse("\r\nName   : Spooler\r\nStatus : Running\r\n\r\n")
 * console.log(parsed?.format, ScriptFields.valuesOf(parsed?.records ?? [], "name")) // list [ 'Spooler' ]
 * ```
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (output: string): Parsed | undefined => {
  const text = output.replaceAll("\r\n", "\n").trim()
  for (const [format, read] of formats) {
    const records = read(text)
    if (records !== undefined) return { format, records }
  }
  return undefined
}

/**
 * All values of a field, whose name may be in any case, as in PowerShell.
 *
 * @since 0.1.0
 * @category parsing
 */
export const valuesOf = (records: ReadonlyArray<Fields>, name: string): ReadonlyArray<string> => {
  const wanted = name.toLowerCase()
  return records.flatMap((fields) =>
    Array.from(fields).flatMap(([field, values]) => (field.toLowerCase() === wanted ? values : [])),
  )
}
