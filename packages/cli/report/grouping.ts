/**
 * Groups rows by numbers, for tables of 100,000 rows: the same groups in the same order as `Stack` of core makes of texts. Nothing
 * here touches the page.
 */

/** Rows, and the value of each as a number from 0 to `size - 1`. A row may be there several times. */
export interface Values {
  readonly rows: ArrayLike<number>
  readonly ids: ArrayLike<number>
  readonly size: number
  /** The text of a value, by which groups are ordered that are alike otherwise. */
  readonly text: (id: number) => string
}

/** The groups, the rarest first. Each is known by its value. */
export interface Groups {
  readonly ids: Int32Array
  /** How often a value occurs, and on how many machines. */
  readonly countOf: (id: number) => number
  readonly machinesOf: (id: number) => number
  /** The rows that have a value, each once. */
  readonly rowsOf: (id: number) => Int32Array
}

/** The rows in the order of their values, and where the rows of each value start. */
const ordered = ({ ids, rows, size }: Values, isChosen: (row: number) => boolean) => {
  const starts = new Int32Array(size + 1)
  for (let i = 0; i < rows.length; i++) {
    const after = (ids[i] ?? 0) + 1
    if (isChosen(rows[i] ?? 0)) starts[after] = (starts[after] ?? 0) + 1
  }
  for (let i = 1; i <= size; i++) starts[i] = (starts[i] ?? 0) + (starts[i - 1] ?? 0)
  const next = starts.slice()
  const sorted = new Int32Array(starts[size] ?? 0)
  for (let i = 0; i < rows.length; i++) {
    const [row = 0, id = 0] = [rows[i], ids[i]]
    if (!isChosen(row)) continue
    const at = next[id] ?? 0
    sorted[at] = row
    next[id] = at + 1
  }
  return { sorted, starts }
}

/** On how many machines each value occurs. */
const countMachines = (
  { sorted, starts }: ReturnType<typeof ordered>,
  machines: ArrayLike<number>,
  machineCount: number,
): Int32Array => {
  const counts = new Int32Array(starts.length - 1)
  const lastSeen = new Int32Array(machineCount).fill(-1)
  for (let id = 0; id < counts.length; id++) {
    for (let at = starts[id] ?? 0; at < (starts[id + 1] ?? 0); at++) {
      const machine = machines[sorted[at] ?? 0] ?? 0
      if (lastSeen[machine] === id) continue
      lastSeen[machine] = id
      counts[id] = (counts[id] ?? 0) + 1
    }
  }
  return counts
}

/** The positions of numbers that are not 0. */
const positiveAt = (counts: Int32Array): Int32Array => {
  const found: Array<number> = []
  for (let i = 0; i < counts.length; i++) if (counts[i] !== 0) found.push(i)
  return Int32Array.from(found)
}

/** The position of each text. Without a function that compares, engines sort several times as fast. */
const positionsOf = (ids: Int32Array, text: (id: number) => string): ReadonlyMap<string, number> =>
  new Map(
    Array.from(ids, text)
      .sort()
      .map((each, position) => [each, position]),
  )

/** Groups the chosen rows. `machines` has the machine of each row. */
export const group = (
  values: Values,
  machines: ArrayLike<number>,
  machineCount: number,
  isChosen: (row: number) => boolean,
): Groups => {
  const rows = ordered(values, isChosen)
  const { sorted, starts } = rows
  const machinesOf = countMachines(rows, machines, machineCount)
  const countOf = (id: number) => (starts[id + 1] ?? 0) - (starts[id] ?? 0)
  const ids = positiveAt(machinesOf)
  const positions = positionsOf(ids, values.text)
  const ranks = new Int32Array(machinesOf.length)
  for (const id of ids) ranks[id] = positions.get(values.text(id)) ?? 0
  ids.sort(
    (a, b) =>
      (machinesOf[a] ?? 0) - (machinesOf[b] ?? 0) || countOf(a) - countOf(b) || (ranks[a] ?? 0) - (ranks[b] ?? 0),
  )
  return {
    ids,
    countOf,
    machinesOf: (id) => machinesOf[id] ?? 0,
    // The rows of a value are in their order, so the same row is beside itself.
    rowsOf: (id) => sorted.slice(starts[id], starts[id + 1]).filter((row, i, all) => row !== all[i - 1]),
  }
}
