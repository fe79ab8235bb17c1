/**
 * Prints rows as they arrive: with `--json` a line of JSON each, on a terminal a table that fits its width, and elsewhere all
 * columns, separated by tabs.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Table from "./Table.ts"

export interface Options<A> {
  readonly columns: ReadonlyArray<Table.Column<A>>
  /** The JSON of a row, if rows are printed as JSON. */
  readonly toJson?: ((row: A) => Effect.Effect<string>) | undefined
  /** Prints a line on standard output. */
  readonly print?: ((line: string) => Effect.Effect<void>) | undefined
}

/** Makes the function that prints a row. On a terminal it prints the header first. */
export const make = Effect.fnUntraced(function* <A>({ columns, print = Console.log, toJson }: Options<A>) {
  if (toJson !== undefined) return (row: A) => Effect.flatMap(toJson(row), print)
  if (!process.stdout.isTTY) return (row: A) => print(Table.tabbed(columns, row))
  const shown = Table.fitting(columns, process.stdout.columns)
  yield* print(Table.header(shown))
  return (row: A) => print(Table.row(shown, row))
})
