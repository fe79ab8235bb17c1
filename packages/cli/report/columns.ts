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
  /** Which rows contain a text, for the search of all columns. The text is in lower case. */
  readonly contains: (text: string) => (row: number) => boolean
  /** Which rows a filter of this column leaves. `undefined` if the filter is not complete yet. */
  readonly filter: (filter: string) => ((row: number) => boolean) | undefined
}

type Shape = Pick<Column, "key" | "label" | "width" | "grow" | "isPrinted">

const never = () => false

/** Texts, each once, and what searches and sorts need of them: it is computed when it is first needed. */
export class Texts {
  readonly texts: ReadonlyArray<string>
  private lowerTexts: ReadonlyArray<string> | undefined
  private textRanks: Int32Array | undefined

  constructor(texts: ReadonlyArray<string>) {
    this.texts = texts
  }

  /** The same texts in lower case. */
  get lower(): ReadonlyArray<string> {
    return (this.lowerTexts ??= this.texts.map((text) => text.toLowerCase()))
  }

  /** The position of each text in alphabetical order, without case. */
  get ranks(): Int32Array {
    if (this.textRanks === undefined) {
      // Without a function that compares, engines sort several times as fast.
      const positions = new Map(
        Array.from(this.lower)
          .sort()
          .map((text, i) => [text, i]),
      )
      this.textRanks = Int32Array.from(this.lower, (text) => positions.get(text) ?? 0)
    }
    return this.textRanks
  }
}

/** Which texts contain a text. The columns of a table share the last answer. */
const containing = (() => {
  let last: { readonly texts: ReadonlyArray<string>; readonly text: string; readonly found: Uint8Array } | undefined
  return (texts: ReadonlyArray<string>, text: string): Uint8Array => {
    if (last?.texts !== texts || last.text !== text) {
      const found = new Uint8Array(texts.length)
      texts.forEach((each, i) => {
        if (each.includes(text)) found[i] = 1
      })
      last = { texts, text, found }
    }
    return last.found
  }
})()

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

/** A column whose cells are indexes of texts. `=text` filters for the whole text, and `!text` excludes. */
export const textColumn = (shape: Shape, source: Texts, indexes: ArrayLike<number>): Column => {
  const text = (row: number) => source.texts[indexes[row] ?? 0] ?? ""
  const contains = (wanted: string) => {
    const found = containing(source.lower, wanted)
    return (row: number) => found[indexes[row] ?? 0] === 1
  }
  let ranks: Int32Array | undefined
  return {
    ...shape,
    text,
    value: text,
    ranks: () => (ranks ??= Int32Array.from(indexes, (index) => source.ranks[index] ?? 0)),
    contains,
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
    contains: () => never,
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
    contains: () => never,
    filter: (filter) => (row) => text(row).startsWith(filter.trim()),
  }
}

const hexadecimal = /^[0-9a-f]{2,64}$/

/** A column of hashes, which are found by their beginning. `starts` has the beginning of each as a number. */
export const hashColumn = (shape: Shape, starts: () => Float64Array, text: (row: number) => string): Column => {
  const startsWith = (start: string) => (hexadecimal.test(start) ? (row: number) => text(row).startsWith(start) : never)
  let ranks: Int32Array | undefined
  return {
    ...shape,
    text,
    value: text,
    ranks: () => (ranks ??= ranksOf(starts())),
    // Four digits leave a few of 100,000 results. A shorter text is not meant as a hash.
    contains: (wanted) => (wanted.length < 4 ? never : startsWith(wanted)),
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

/** Every filter and the search hold. Columns are asked in turn, the cheap ones first. */
const predicates = (columns: ReadonlyArray<Column>, { filters, search }: Query) => {
  const filtering = columns.flatMap((column) => {
    const filter = filters.get(column.key) ?? ""
    return filter === "" ? [] : (column.filter(filter) ?? [])
  })
  if (search === "") return filtering
  const found = columns.map((column) => column.contains(search.toLowerCase()))
  return [...filtering, (row: number) => found.some((contains) => contains(row))]
}

/** Sorts rows by their ranks. Rows with the same rank stay in their order. */
const sorted = (rows: Int32Array, { column, isDescending }: Order): Int32Array => {
  const ranks = column.ranks()
  const sign = isDescending ? -1 : 1
  const { length } = rows
  // One number holds the rank and the position, so that the engine sorts numbers and calls no function.
  const keys = Float64Array.from(rows, (row, i) => (ranks[row] ?? 0) * sign * length + i).sort()
  return Int32Array.from(keys, (key) => rows[((key % length) + length) % length] ?? 0)
}

/** The rows that are left, in order. */
export const select = (rows: Int32Array, columns: ReadonlyArray<Column>, query: Query): Int32Array => {
  const all = predicates(columns, query)
  const left = all.length === 0 ? rows : rows.filter((row) => all.every((holds) => holds(row)))
  return query.order === undefined ? left : sorted(left, query.order)
}
