/** The part of OData's `$filter` that Microsoft documents, for the simulator: comparisons, `and`, `or`, brackets. */

type Row = Readonly<Record<string, unknown>>
type Test = (row: Row) => boolean

const tokens = (text: string): ReadonlyArray<string> | undefined => {
  const found = text.match(/\s+|[()]|'(?:[^']|'')*'|[^\s()']+/g) ?? []
  return found.join("") === text ? found.filter((token) => token.trim() !== "") : undefined
}

const valueOf = (token: string): string => (token.startsWith("'") ? token.slice(1, -1).replaceAll("''", "'") : token)

/** Times are compared as times, whatever digits they have, and everything else as text. */
const order = (actual: unknown, wanted: string): number => {
  const text = String(actual ?? "")
  if (/^\d{4}-/.test(wanted)) {
    const [left, right] = [Date.parse(text), Date.parse(wanted)]
    if (!Number.isNaN(left) && !Number.isNaN(right)) return Math.sign(left - right)
  }
  return text === wanted ? 0 : text < wanted ? -1 : 1
}

const operators: Readonly<Record<string, (order: number) => boolean>> = {
  eq: (order) => order === 0,
  ne: (order) => order !== 0,
  ge: (order) => order >= 0,
  gt: (order) => order > 0,
  le: (order) => order <= 0,
  lt: (order) => order < 0,
}

/** The test that a filter stands for. `undefined` where the filter can't be parsed or names another field. */
export const parseFilter = (text: string, fields: ReadonlySet<string>): Test | undefined => {
  const all = tokens(text)
  if (all === undefined) return undefined
  let at = 0

  const chain =
    (word: string, part: () => Test | undefined, join: (a: Test, b: Test) => Test) => (): Test | undefined => {
      let test = part()
      while (test !== undefined && all[at] === word) {
        at++
        const next = part()
        test = next === undefined ? undefined : join(test, next)
      }
      return test
    }

  const comparison = (): Test | undefined => {
    const [field, name = "", value] = all.slice(at, at + 3)
    const operator = operators[name]
    if (field === undefined || !fields.has(field) || operator === undefined || value === undefined) return undefined
    at += 3
    const wanted = valueOf(value)
    return (row) => operator(order(row[field], wanted))
  }

  const term = (): Test | undefined => {
    if (all[at] !== "(") return comparison()
    at++
    const inner = either()
    if (all[at++] !== ")") return undefined
    return inner
  }
  const both = chain("and", term, (a, b) => (row) => a(row) && b(row))
  const either = chain("or", both, (a, b) => (row) => a(row) || b(row))

  const test = either()
  return at === all.length ? test : undefined
}
