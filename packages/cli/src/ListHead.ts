/**
 * How a list starts: whether it is CSV, and what separates its columns.
 */

export interface Header {
  /** How many lines stand before it. */
  readonly skipped: number
  /** What separates its columns. */
  readonly delimiter: string
}

/** What is left of a list behind so many lines. */
export interface Rest {
  readonly skipped: number
  readonly text: string
}

/** A list from its first line that says something on. */
export interface Head extends Rest {
  readonly line: string
}

/** Blank lines and comments, among them the `#TYPE` line of PowerShell, and the line that tells Excel the delimiter. */
const isSkipped = (line: string): boolean => /^\s*$|^\s*#|^"?sep=."?\s*$/i.test(line)

/**
 * The start of a line whose end is not here yet. A comment and a blank may be of any length, and of them only what tells
 * what they are is kept: what follows belongs to them. A carriage return at the end may be half of a line break.
 */
const startOf = (text: string): string => {
  const end = text.endsWith("\r") ? "\r" : ""
  const said = text.trimStart()
  if (said.startsWith("#")) return `#${end}`
  return said === "" && text.length > 2 ? ` ${end}` : text
}

/** A header is no longer than that. */
export const headLimit = 64 * 1024

/**
 * The first line that is not skipped. Where too little of the text is here to see it, what is left behind those that are:
 * they are not kept, however many there are.
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

export const cellsOf = (line: string, delimiter: string): ReadonlyArray<string> =>
  line.split(delimiter).map((cell) => nameOf(cell.trim().replace(/^"(.*)"$/, "$1")))

export const nameOf = (cell: string): string => cell.trim().toLowerCase()

/** The delimiter that separates the most of the columns that are needed, if there is any of them. */
export const delimiterOf = (line: string, columns: ReadonlyArray<string>): string | undefined => {
  const found = [",", ";", "\t"].map((delimiter) => {
    const cells = cellsOf(line, delimiter)
    return { delimiter, count: columns.filter((column) => cells.includes(nameOf(column))).length }
  })
  const [best] = found.toSorted((a, b) => b.count - a.count)
  return best === undefined || best.count === 0 ? undefined : best.delimiter
}

/** The delimiter of a line that holds several words and nothing else, as the header of another table does. */
export const delimiterOfWords = (line: string): string | undefined =>
  [",", ";", "\t"].find((delimiter) => {
    const cells = cellsOf(line, delimiter)
    return cells.length > 1 && cells.every((cell) => /^[a-z][a-z _]*$/.test(cell))
  })
