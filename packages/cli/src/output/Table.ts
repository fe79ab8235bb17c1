/**
 * Tables that fit a terminal, printed row by row: a list of thousands is shown as it arrives.
 */
import cliTruncate from "cli-truncate"
import stringWidth from "string-width"

export interface Column<A> {
  readonly title: string
  readonly width: number
  /** The width to which it shrinks before a column after it is left out. By default it does not shrink. */
  readonly leastWidth?: number
  /** Whether it is shown in each width: others are left out for it. */
  readonly isEssential?: boolean
  /** Whether a terminal shows it after the others, because people read it last. Other programs get the columns in their order. */
  readonly isLast?: boolean
  readonly text: (row: A) => string
  /** What is shown where the text is too long, if that says more than the beginning of the text. */
  readonly short?: (row: A) => string
  /** The same for other programs, if that is another text: such as 1500 for 1,500. */
  readonly data?: (row: A) => string
  readonly paint?: (row: A, text: string) => string
}

const gap = "  "

/** The width of a table that is written to a file or a pipe. */
export const widthWithoutTerminal = 160

const fit = (text: string, width: number): string => {
  const cut = cliTruncate(text, Math.max(1, width))
  return cut + " ".repeat(Math.max(0, width - stringWidth(cut)))
}

const sum = (widths: ReadonlyArray<number>): number => widths.reduce((all, width) => all + width + gap.length, 0)

const widthOf = <A>({ width }: Column<A>): number => width

const leastWidthOf = <A>({ leastWidth, width }: Column<A>): number => leastWidth ?? width

/** The essential columns, and of the others the first ones that fit in their least width. */
const chosen = <A>(columns: ReadonlyArray<Column<A>>, width: number): ReadonlyArray<Column<A>> => {
  let left = width + gap.length - sum(columns.filter(({ isEssential }) => isEssential).map(leastWidthOf))
  let isFull = false
  return columns.filter((column, i) => {
    if (column.isEssential) return true
    left -= leastWidthOf(column) + gap.length
    isFull ||= left < 0 && i > 0
    return !isFull
  })
}

/**
 * The columns that fit the width: the essential ones, and of the others the first ones, which are the most important. A column
 * shrinks before one after it is left out. The last of all gets the remaining width.
 */
export const fitting = <A>(columns: ReadonlyArray<Column<A>>, width: number): ReadonlyArray<Column<A>> => {
  const ordered = columns.toSorted((a, b) => Number(a.isLast ?? false) - Number(b.isLast ?? false))
  const shown = chosen(ordered, width)
  let left = Math.max(0, width + gap.length - sum(shown.map(leastWidthOf)))
  const widened = shown.map((column) => {
    const least = leastWidthOf(column)
    const more = Math.min(left, column.width - least)
    left -= more
    return { ...column, width: least + more }
  })
  const others = sum(widened.slice(0, -1).map(widthOf))
  return widened.map((column, i) =>
    // A terminal that is too narrow for all of them cuts the last one.
    i === widened.length - 1
      ? { ...column, width: Math.max(widened.length > 1 ? 1 : column.width, width - others) }
      : column,
  )
}

/** Columns that are at most as wide as their rows need, where all rows are known. */
export const snug = <A>(columns: ReadonlyArray<Column<A>>, rows: ReadonlyArray<A>): ReadonlyArray<Column<A>> =>
  columns.map((column) => {
    const needed = rows.reduce((most, of) => Math.max(most, stringWidth(column.text(of))), column.title.length)
    const width = Math.min(column.width, needed)
    return { ...column, width, leastWidth: Math.min(leastWidthOf(column), width) }
  })

export const header = <A>(columns: ReadonlyArray<Column<A>>): string =>
  columns
    .map(({ title, width }) => fit(title, width))
    .join(gap)
    .trimEnd()

/** What is shown of a cell. A beginning is marked as one: without that, the short name of a machine looks like all of it. */
const shown = <A>({ short, text, width }: Column<A>, of: A): string => {
  const whole = text(of)
  if (short === undefined || stringWidth(whole) <= width) return whole
  const part = short(of)
  return part !== whole && whole.startsWith(part) ? `${part}…` : part
}

export const row = <A>(columns: ReadonlyArray<Column<A>>, of: A): string =>
  columns
    .map((column) => {
      const cell = fit(shown(column, of), column.width)
      return column.paint === undefined ? cell : column.paint(of, cell)
    })
    .join(gap)
    .trimEnd()

/** The cells of all columns, for other programs. */
export const cells = <A>(columns: ReadonlyArray<Column<A>>, of: A): ReadonlyArray<string> =>
  columns.map(({ data, text }) => (data ?? text)(of))

/** A row with all columns, separated by tabs, for other programs. */
export const tabbed = <A>(columns: ReadonlyArray<Column<A>>, of: A): string =>
  cells(columns, of)
    .map((cell) => cell.replaceAll("\t", " "))
    .join("\t")
