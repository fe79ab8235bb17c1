/**
 * Columns of a table: what they show, and how rows are searched and sorted by them. Nothing here touches the page.
 */

/** A column of rows that are numbered from 0. */
export interface Column {
  readonly key: string
  readonly label: string
  /** In rem: the width on a narrow screen. */
  readonly width: number
  /** The share of the space that is left. By default none. */
  readonly grow?: number
  readonly isNumber?: boolean
  /** Whether paper has space for it. By default it has. */
  readonly isPrinted?: boolean
  /** What is shown. */
  readonly text: (row: number) => string
  /** What is exported. */
  readonly value: (row: number) => string | number | null
  /** The position of each row in the order of the column. Equal rows have the same. */
  readonly ranks: () => Int32Array
  /** Marks the positions of the rows that contain a text, for the search of all columns. The text is in lower case. */
  readonly mark: (text: string, rows: Int32Array, marks: Uint8Array) => void
  /** Which rows a filter of this column leaves. `undefined` if the filter is not complete yet. */
  readonly filter: (filter: string) => ((row: number) => boolean) | undefined
}

type Shape = Pick<Column, "key" | "label" | "width" | "grow" | "isPrinted">

const never = () => false

/** Between texts that are searched as one. Nobody can type it. */
const separator = "\0"

/** Texts, each once, and what searches need of them: it is computed when it is first needed. */
export class Texts {
  readonly texts: ReadonlyArray<string>
  private lowerTexts: ReadonlyArray<string> | undefined
  private haystack: { readonly all: string; readonly starts: Int32Array } | undefined
  private last: { readonly text: string; readonly found: Uint8Array } | undefined

  constructor(texts: ReadonlyArray<string>) {
    this.texts = texts
  }

  /** The same texts in lower case. */
  get lower(): ReadonlyArray<string> {
    return (this.lowerTexts ??= this.texts.map((text) => text.toLowerCase()))
  }

  /** All texts in lower case as one, which is searched several times as fast as each of them, and where each starts. */
  private joined() {
    if (this.haystack === undefined) {
      const starts = new Int32Array(this.texts.length + 1)
      this.lower.forEach((text, i) => (starts[i + 1] = (starts[i] ?? 0) + text.length + separator.length))
      this.haystack = { all: this.lower.join(separator), starts }
    }
    return this.haystack
  }

  /** Which texts contain a text in lower case. The columns of a table share the last answer. */
  containing(text: string): Uint8Array {
    if (this.last?.text === text) return this.last.found
    const { all, starts } = this.joined()
    const found = new Uint8Array(this.texts.length)
    let i = 0
    for (let at = all.indexOf(text); at !== -1 && i < found.length; at = all.indexOf(text, starts[i])) {
      while ((starts[i + 1] ?? 0) <= at) i++
      found[i++] = 1
    }
    this.last = { text, found }
    return found
  }

  /** The position of each of some texts in alphabetical order, without case. Others have the position 0. */
  ranksOf(indexes: ArrayLike<number>): Int32Array {
    const isUsed = new Uint8Array(this.texts.length)
    for (let row = 0; row < indexes.length; row++) isUsed[indexes[row] ?? 0] = 1
    const used: Array<number> = []
    isUsed.forEach((mark, i) => {
      if (mark === 1) used.push(i)
    })
    const keys = used.map((i) => this.lower[i] ?? "")
    // Without a function that compares, engines sort several times as fast.
    const positions = new Map(
      Array.from(keys)
        .sort()
        .map((text, position) => [text, position]),
    )
    const ranks = new Int32Array(this.texts.length)
    used.forEach((i, k) => (ranks[i] = positions.get(keys[k] ?? "") ?? 0))
    return ranks
  }
}

/** The position of each number among the different ones. */
const ranksOf = (values: Float64Array): Int32Array => {
  const sorted = Float64Array.from(values).sort()
  const distinct = sorted.filter((value, i) => i === 0 || value !== sorted[i - 1])
  return Int32Array.from(values, (value) => {
    let low = 0
    let high = distinct.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((distinct[middle] ?? 0) < value) low = middle + 1
      else high = middle
    }
    return low
  })
}

/** `Int32Array.from` takes several times as long. */
export const mapped = (values: ArrayLike<number>, f: (value: number) => number): Int32Array => {
  const results = new Int32Array(values.length)
  for (let i = 0; i < values.length; i++) results[i] = f(values[i] ?? 0)
  return results
}

/** A column whose cells are indexes of texts. `=text` filters for the whole text, and `!text` excludes. */
export const textColumn = (shape: Shape, source: Texts, indexes: ArrayLike<number>): Column => {
  const text = (row: number) => source.texts[indexes[row] ?? 0] ?? ""
  const contains = (wanted: string) => {
    const found = source.containing(wanted)
    return (row: number) => found[indexes[row] ?? 0] === 1
  }
  const rank = () => {
    const ofTexts = source.ranksOf(indexes)
    return mapped(indexes, (index) => ofTexts[index] ?? 0)
  }
  let ranks: Int32Array | undefined
  return {
    ...shape,
    text,
    value: text,
    ranks: () => (ranks ??= rank()),
    mark: (wanted, rows, marks) => {
      const found = source.containing(wanted)
      for (let i = 0; i < rows.length; i++) if (found[indexes[rows[i] ?? 0] ?? 0] === 1) marks[i] = 1
    },
    filter: (filter) => {
      const wanted = filter.toLowerCase()
      if (wanted.startsWith("=")) return (row) => source.lower[indexes[row] ?? 0] === wanted.slice(1)
      if (!wanted.startsWith("!")) return contains(wanted)
      const isExcluded = contains(wanted.slice(1))
      return wanted.length === 1 ? undefined : (row) => !isExcluded(row)
    },
  }
}

const comparison = /^(>=|<=|!=|>|<|=)?\s*(-?\d+(?:\.\d+)?)\s*(k|M|G)?B?$/i

const factors: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9 }

const comparers: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ">": (a, b) => a > b,
  "<": (a, b) => a < b,
  ">=": (a, b) => a >= b,
  "<=": (a, b) => a <= b,
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
}

/** A column of numbers. Filters are `5`, `=5`, `!=0`, `>1M`; a number alone is the whole number. */
export const numberColumn = (
  shape: Shape,
  values: ArrayLike<number | null>,
  show: (value: number) => string,
): Column => {
  const text = (row: number) => {
    const value = values[row]
    return value === null || value === undefined ? "" : show(value)
  }
  let ranks: Int32Array | undefined
  return {
    ...shape,
    isNumber: true,
    text,
    value: (row) => values[row] ?? null,
    ranks: () => (ranks ??= ranksOf(Float64Array.from(values, (value) => value ?? Number.MIN_SAFE_INTEGER))),
    mark: () => {},
    filter: (filter) => {
      const [, sign = "=", digits = "", unit = ""] = comparison.exec(filter.trim()) ?? []
      const compare = comparers[sign]
      if (digits === "" || compare === undefined) return undefined
      const wanted = Number(digits) * (factors[unit.toLowerCase()] ?? 1)
      return (row) => {
        const value = values[row]
        return value !== null && value !== undefined && compare(value, wanted)
      }
    },
  }
}

/** A column of times. Its filter is the beginning of what is shown, such as `2026-11-24 14`. */
export const timeColumn = (
  shape: Shape,
  values: ArrayLike<number>,
  show: (value: number) => string,
  iso: (value: number) => string,
): Column => {
  const text = (row: number) => show(values[row] ?? 0)
  let ranks: Int32Array | undefined
  return {
    ...shape,
    text,
    value: (row) => iso(values[row] ?? 0),
    ranks: () => (ranks ??= ranksOf(Float64Array.from(values))),
    mark: () => {},
    filter: (filter) => (row) => text(row).startsWith(filter.trim()),
  }
}

const hexadecimal = /^[0-9a-f]{2,64}$/

/** In hexadecimal digits: how much of a hash is in its number. */
const startDigits = 12

/** A column of hashes, which are found by their beginning. `starts` has the first 48 bits of each as a number: they order nearly all. */
export const hashColumn = (shape: Shape, starts: () => Float64Array, text: (row: number) => string): Column => {
  let known: Float64Array | undefined
  const startOf = () => (known ??= starts())
  const startsWith = (start: string): ((row: number) => boolean) => {
    if (!hexadecimal.test(start)) return never
    const all = startOf()
    const digits = start.slice(0, startDigits)
    const least = Number.parseInt(digits.padEnd(startDigits, "0"), 16)
    const beyond = least + 16 ** (startDigits - digits.length)
    return (row) => {
      const value = all[row] ?? 0
      return value >= least && value < beyond && text(row).startsWith(start)
    }
  }
  let ranks: Int32Array | undefined
  return {
    ...shape,
    text,
    value: text,
    ranks: () => (ranks ??= ranksOf(startOf())),
    mark: (wanted, rows, marks) => {
      // Four digits leave a few of 100,000 results. A shorter text is not meant as a hash.
      if (wanted.length < 4) return
      const holds = startsWith(wanted)
      for (let i = 0; i < rows.length; i++) if (holds(rows[i] ?? 0)) marks[i] = 1
    },
    filter: (filter) => startsWith(filter.trim().toLowerCase().replace(/^=/, "")),
  }
}

export interface Order {
  readonly column: Column
  readonly isDescending: boolean
}

export interface Query {
  readonly search: string
  /** Filters by the key of their column. */
  readonly filters: ReadonlyMap<string, string>
  readonly order: Order | undefined
}

/** The rows for which every filter holds. */
const filtered = (rows: Int32Array, columns: ReadonlyArray<Column>, { filters }: Query): Int32Array => {
  const all = columns.flatMap((column) => {
    const filter = filters.get(column.key) ?? ""
    return filter === "" ? [] : (column.filter(filter) ?? [])
  })
  return all.length === 0 ? rows : rows.filter((row) => all.every((holds) => holds(row)))
}

/** The rows that contain a text in any column. */
const searched = (rows: Int32Array, columns: ReadonlyArray<Column>, { search }: Query): Int32Array => {
  if (search === "") return rows
  const marks = new Uint8Array(rows.length)
  for (const column of columns) column.mark(search.toLowerCase(), rows, marks)
  return rows.filter((_, i) => marks[i] === 1)
}

/** Sorts rows by their ranks, which it counts. Rows with the same rank stay in their order. */
const sorted = (rows: Int32Array, { column, isDescending }: Order): Int32Array => {
  const ranks = column.ranks()
  let highest = 0
  for (const row of rows) highest = Math.max(highest, ranks[row] ?? 0)
  const placeOf = (row: number) => (isDescending ? highest - (ranks[row] ?? 0) : (ranks[row] ?? 0))
  const starts = new Int32Array(highest + 2)
  for (const row of rows) starts[placeOf(row) + 1] = (starts[placeOf(row) + 1] ?? 0) + 1
  for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0)
  const result = new Int32Array(rows.length)
  for (const row of rows) {
    const place = placeOf(row)
    const at = starts[place] ?? 0
    result[at] = row
    starts[place] = at + 1
  }
  return result
}

/** The rows that are left, in order. */
export const select = (rows: Int32Array, columns: ReadonlyArray<Column>, query: Query): Int32Array => {
  const left = searched(filtered(rows, columns, query), columns, query)
  return query.order === undefined ? left : sorted(left, query.order)
}
