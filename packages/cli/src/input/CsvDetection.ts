/**
 * Whether a list is CSV: finds its first line of content, and recognises a header and its delimiter.
 */

export interface Header {
  /** How many lines precede it. */
  readonly skipped: number
  /** What separates its columns. */
  readonly delimiter: string
}

/** The text of a list that follows its skipped lines. */
export interface Rest {
  readonly skipped: number
  readonly text: string
}

/** A list, from its first line of content on. */
export interface Head extends Rest {
  readonly line: string
}

/** Blank lines, comments (PowerShell's `#TYPE` line is one), and the `sep=;` line that sets Excel's delimiter. */
const isSkipped = (line: string): boolean => /^\s*$|^\s*#|^"?sep=."?\s*$/i.test(line)

/**
 * The start of a line whose end has not been read yet. Of a comment or a blank line, which may have any length, only the mark
 * remains, because what follows belongs to it. A carriage return at the end may be half of a line break.
 */
const startOf = (text: string): string => {
  const end = text.endsWith("\r") ? "\r" : ""
  const said = text.trimStart()
  if (said.startsWith("#")) return `#${end}`
  return said === "" && text.length > 2 ? ` ${end}` : text
}

/** The longest header, in characters. */
const headLimit = 64 * 1024

/**
 * The first line of content. If the text so far does not have it, the rest that must be read further: skipped lines are
 * dropped, so that any number of them costs no memory.
 */
export const findHead = (held: Rest, isWhole: boolean): Head | (Rest & { readonly line?: undefined }) => {
  let rest = held.text
  let skipped = held.skipped
  for (;;) {
    const [all = "", line = ""] = /^([^\r\n]*)(?:\r\n|\n|\r(?=.))/s.exec(rest) ?? []
    if (all === "") {
      if (!isWhole) {
        const held = startOf(rest)
        if (held.length <= headLimit) return { skipped, text: held }
      }
      const last = isSkipped(rest) ? "" : rest
      return { skipped, line: last, text: last }
    }
    if (!isSkipped(line)) return { skipped, line, text: rest }
    rest = rest.slice(all.length)
    skipped++
  }
}

/** The names in a header. */
export const cellsOf = (line: string, delimiter: string): ReadonlyArray<string> =>
  line.split(delimiter).map((cell) => nameOf(cell.trim().replace(/^"(.*)"$/, "$1")))

/** A column's name, as names are compared. */
export const nameOf = (cell: string): string => cell.trim().toLowerCase()

/** The delimiter that separates most of the required columns; none if the line has none of them. */
export const delimiterOf = (line: string, columns: ReadonlyArray<string>): string | undefined => {
  const found = [",", ";", "\t"].map((delimiter) => {
    const cells = cellsOf(line, delimiter)
    return { delimiter, count: columns.filter((column) => cells.includes(nameOf(column))).length }
  })
  const [best] = found.toSorted((a, b) => b.count - a.count)
  return best === undefined || best.count === 0 ? undefined : best.delimiter
}

/** The delimiter of a line that consists of several words, as the header of some other table does. */
export const delimiterOfWords = (line: string): string | undefined =>
  [",", ";", "\t"].find((delimiter) => {
    const cells = cellsOf(line, delimiter)
    return cells.length > 1 && cells.every((cell) => /^[a-z][a-z _]*$/.test(cell))
  })
