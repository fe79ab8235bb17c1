/**
 * Tables that fit a terminal, printed row by row: a list of thousands is shown as it arrives.
 */
import cliTruncate from "cli-truncate"
import stringWidth from "string-width"

export interface Column<A> {
  readonly title: string
  readonly width: number
  readonly text: (row: A) => string
  readonly paint?: (row: A, text: string) => string
}

const gap = "  "

/** The width of a table that is written to a file or a pipe. */
export const widthWithoutTerminal = 160

const fit = (text: string, width: number): string => {
  const cut = cliTruncate(text, Math.max(1, width))
  return cut + " ".repeat(Math.max(0, width - stringWidth(cut)))
}

/** The first columns that fit the width, which are the most important ones. The last of them gets the remaining width. */
export const fitting = <A>(columns: ReadonlyArray<Column<A>>, width: number): ReadonlyArray<Column<A>> => {
  let left = width
  const shown: Array<Column<A>> = []
  for (const column of columns) {
    if (shown.length > 0 && column.width + gap.length > left) break
    shown.push(column)
    left -= column.width + gap.length
  }
  return shown.map((column, i) =>
    i === shown.length - 1 ? { ...column, width: column.width + left + gap.length } : column,
  )
}

export const header = <A>(columns: ReadonlyArray<Column<A>>): string =>
  columns
    .map(({ title, width }) => fit(title, width))
    .join(gap)
    .trimEnd()

export const row = <A>(columns: ReadonlyArray<Column<A>>, of: A): string =>
  columns
    .map(({ paint, text, width }) => {
      const cell = fit(text(of), width)
      return paint === undefined ? cell : paint(of, cell)
    })
    .join(gap)
    .trimEnd()

/** A row with all columns, separated by tabs, for other programs. */
export const tabbed = <A>(columns: ReadonlyArray<Column<A>>, of: A): string =>
  columns.map(({ text }) => text(of).replaceAll("\t", " ")).join("\t")
