/**
 * Prints rows as they arrive: on a terminal as a table that fits its width, and elsewhere with all columns, separated by tabs;
 * or as a format that the user chose.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { printableJson } from "./Printable.ts"
import * as SpreadsheetCell from "./SpreadsheetCell.ts"
import * as Table from "./Table.ts"

export type Format = "table" | "json" | "csv"

export interface Options<A> {
  readonly columns: ReadonlyArray<Table.Column<A>>
  /** How rows are printed. By default as suits the terminal or the pipe. */
  readonly format?: Format | undefined
  /** The JSON of a row. By default that of its fields. */
  readonly toJson?: ((row: A) => Effect.Effect<string>) | undefined
  /** Prints a line on standard output. */
  readonly print?: ((line: string) => Effect.Effect<void>) | undefined
}

/** A line of CSV (RFC 4180), whose cells are safe for a spreadsheet: it runs formulas, and names come from machines. */
const csvLine = (cells: ReadonlyArray<string>): string =>
  cells
    .map(SpreadsheetCell.cell)
    .map((cell) => (/[",]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(",")

const fieldsOf = (row: unknown) => Effect.succeed(printableJson(JSON.stringify(row)))

/** Makes the function that prints a row. Tables and CSV start with a header, which columns for other programs do not have. */
export const make = Effect.fnUntraced(function* <A>(options: Options<A>) {
  const { columns, format, print = Console.log, toJson = fieldsOf } = options
  switch (format ?? (process.stdout.isTTY ? "table" : "tabs")) {
    case "json":
      return (row: A) => Effect.flatMap(toJson(row), print)
    case "csv":
      yield* print(csvLine(columns.map(({ title }) => title)))
      return (row: A) => print(csvLine(Table.cells(columns, row)))
    case "tabs":
      return (row: A) => print(Table.tabbed(columns, row))
    case "table": {
      const shown = Table.fitting(columns, process.stdout.columns ?? Table.widthWithoutTerminal)
      yield* print(Table.header(shown))
      return (row: A) => print(Table.row(shown, row))
    }
  }
})
