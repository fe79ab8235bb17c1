/**
 * Saves the rows that are shown as CSV or JSON Lines.
 */
import { cell } from "../src/output/SpreadsheetCell.ts"
import type { Column } from "./columnTypes.ts"
import { announce, h } from "./dom.ts"
import { counted } from "./format.ts"

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

const line = (cells: ReadonlyArray<string>) => `${cells.map((text) => quoted(cell(text))).join(",")}\r\n`

export const csv = (columns: ReadonlyArray<Column>, rows: Int32Array): ReadonlyArray<string> => {
  const header = line(columns.map(({ key }) => key))
  // The mark at the start lets spreadsheets decode the file as UTF-8.
  return [`\uFEFF${header}`, ...Array.from(rows, (row) => line(columns.map(({ value }) => String(value(row) ?? ""))))]
}

export const jsonLines = (columns: ReadonlyArray<Column>, rows: Int32Array): ReadonlyArray<string> =>
  Array.from(
    rows,
    (row) => `${JSON.stringify(Object.fromEntries(columns.map(({ key, value }) => [key, value(row)])))}\n`,
  )

const formats = {
  csv: { lines: csv, type: "text/csv" },
  jsonl: { lines: jsonLines, type: "application/jsonl" },
} as const

const held = { address: "" }

export const save = (
  name: string,
  ending: keyof typeof formats,
  columns: ReadonlyArray<Column>,
  rows: Int32Array,
): void => {
  const { lines, type } = formats[ending]
  // The browser reads a file after the click, so each is held until the next one is saved.
  URL.revokeObjectURL(held.address)
  held.address = URL.createObjectURL(new Blob([...lines(columns, rows)], { type }))
  h("a", { href: held.address, download: `${name}.${ending}` }).click()
  announce(`Saved ${counted(rows.length, "row")} as ${name}.${ending}`)
}
