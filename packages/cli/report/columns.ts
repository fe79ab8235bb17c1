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
  /** A number for each row, in the order of the column. */
  readonly ranks: () => ArrayLike<number>
  /** Which rows contain a text, for the search of all columns. The text is in lower case. */
  readonly contains: (text: string) => (row: number) => boolean
  /** Which rows a filter of this column leaves. `undefined` if the filter is not complete yet. */
  readonly filter: (filter: string) => ((row: number) => boolean) | undefined
}

type Shape = Pick<Column, "key" | "label" | "width" | "grow" | "isPrinted">

const never = () => false

/** The texts of a page, each once, and the same in lower case. */
export interface Texts {
  readonly texts: ReadonlyArray<string>
  readonly lowerTexts: ReadonlyArray<string>
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

/** The position of each text among all that are in a column, in alphabetical order. */
const ranksOf = (indexes: ArrayLike<number>, lower: ReadonlyArray<string>): Float64Array => {
  const used = Array.from(new Set(Array.from(indexes)))
  const sorted = used.sort((a, b) =>
    (lower[a] ?? "") < (lower[b] ?? "") ? -1 : (lower[a] ?? "") > (lower[b] ?? "") ? 1 : 0,
  )
  const rankOf = new Float64Array(lower.length)
  sorted.forEach((index, rank) => {
    rankOf[index] = rank
  })
  return Float64Array.from({ length: indexes.length }, (_, row) => rankOf[indexes[row] ?? 0] ?? 0)
}

/** A column whose cells are indexes of texts. `=text` filters for the whole text, and `!text` excludes. */
export const textColumn = (shape: Shape, source: Texts, indexes: ArrayLike<number>): Column => {
  const text = (row: number) => source.texts[indexes[row] ?? 0] ?? ""
  const contains = (wanted: string) => {
    const found = containing(source.lowerTexts, wanted)
    return (row: number) => found[indexes[row] ?? 0] === 1
  }
  let ranks: Float64Array | undefined
  return {
    ...shape,
    text,
    value: text,
    ranks: () => (ranks ??= ranksOf(indexes, source.lowerTexts)),
    contains,
    filter: (filter) => {
      const wanted = filter.toLowerCase()
      if (wanted.startsWith("=")) return (row) => source.lowerTexts[indexes[row] ?? 0] === wanted.slice(1)
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
  let ranks: Float64Array | undefined
  return {
    ...shape,
    isNumber: true,
    text,
    value: (row) => values[row] ?? null,
    ranks: () =>
      (ranks ??= Float64Array.from({ length: values.length }, (_, row) => values[row] ?? Number.MIN_SAFE_INTEGER)),
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
  return {
    ...shape,
    text,
    value: (row) => iso(values[row] ?? 0),
    ranks: () => values,
    contains: () => never,
    filter: (filter) => (row) => text(row).startsWith(filter.trim()),
  }
}

const hexadecimal = /^[0-9a-f]{2,64}$/

/** A column of hashes, which are found by their beginning. */
export const hashColumn = (shape: Shape, rank: () => ArrayLike<number>, text: (row: number) => string): Column => {
  const startsWith = (start: string) => (hexadecimal.test(start) ? (row: number) => text(row).startsWith(start) : never)
  return {
    ...shape,
    text,
    value: text,
    ranks: rank,
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

/** Sorts rows by a number of each. Rows with the same number stay in their order. */
const sorted = (rows: Int32Array, { column, isDescending }: Order): Int32Array => {
  const ranks = column.ranks()
  const distinct = new Float64Array(new Set(Array.from(rows, (row) => ranks[row] ?? 0))).sort()
  const positions = new Map(Array.from(distinct, (rank, i) => [rank, isDescending ? distinct.length - i : i]))
  // One number holds both, so that the engine sorts numbers and calls no function.
  const keys = Float64Array.from(rows, (row, i) => (positions.get(ranks[row] ?? 0) ?? 0) * rows.length + i).sort()
  return Int32Array.from(keys, (key) => rows[key % rows.length] ?? 0)
}

/** The rows that are left, in order. */
export const select = (rows: Int32Array, columns: ReadonlyArray<Column>, query: Query): Int32Array => {
  const all = predicates(columns, query)
  const left = all.length === 0 ? rows : rows.filter((row) => all.every((holds) => holds(row)))
  return query.order === undefined ? left : sorted(left, query.order)
}
