/**
 * `$filter` as OData 4 defines it, for what Microsoft's samples use: comparisons, `in`, `startswith`, `endswith`, `contains`,
 * `any` over a collection, `and`, `or`, `not` and brackets.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-odata-samples
 */

export type Row = Readonly<Record<string, unknown>>
export type Test = (row: Row) => boolean

/** What a property is compared with. `texts` are a collection: only `any` looks into it. */
export type PropertyType = "text" | "guid" | "number" | "time" | "texts"

export interface Property {
  readonly name: string
  readonly type: PropertyType
}

/** The property that a name in a query stands for. Their case does not matter: Microsoft's samples write `ComputerDnsName`. */
export type PropertyOf = (name: string) => Property | undefined

/** More brackets than any person writes. Each level is a call on the stack. */
const deepest = 50

const tokensOf = (text: string): ReadonlyArray<string> | undefined => {
  const found = text.match(/\s+|[(),]|'(?:[^']|'')*'|[^\s(),']+/g) ?? []
  return found.join("") === text ? found.filter((token) => token.trim() !== "") : undefined
}

/** The value of a literal: text in quotes, `null`, or a number, a time or a word as it is written. */
const valueOf = (token: string): string | null => {
  if (token.startsWith("'")) return token.slice(1, -1).replaceAll("''", "'")
  return token === "null" ? null : token
}

const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Whether a literal can be compared with a property: `status eq Succeeded`, without quotes, is an error. */
const isOfType = (token: string, type: PropertyType): boolean => {
  if (type === "texts") return false
  if (token === "null") return true
  switch (type) {
    case "text":
      return token.startsWith("'")
    case "guid":
      return token.startsWith("'") || guid.test(token)
    case "number":
      return /^-?\d{1,15}(?:\.\d{1,15})?$/.test(token)
    case "time":
      return !Number.isNaN(timeOf(token))
  }
}

/** Milliseconds since 1970. Microsoft's samples also write a day with a zone, such as `2018-08-01Z`. */
const timeOf = (text: string): number =>
  /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.replace(/^(.{10})Z$/, "$1T00:00:00Z")) : Number.NaN

/**
 * How a property stands to this value. Times and numbers are compared as such, whatever digits they have, and everything else as
 * text. Null is neither less nor greater than a value.
 */
const orderTo = (wanted: string | null): ((actual: unknown) => number) => {
  if (wanted === null) return (actual) => (actual === null || actual === undefined ? 0 : Number.NaN)
  const [number, time] = [Number(wanted), timeOf(wanted)]
  return (actual) => {
    if (actual === null || actual === undefined) return Number.NaN
    const text = String(actual)
    const [left, right] =
      typeof actual === "number" ? [actual, number] : [Number.isNaN(time) ? time : timeOf(text), time]
    if (!Number.isNaN(left) && !Number.isNaN(right)) return Math.sign(left - right)
    return text === wanted ? 0 : text < wanted ? -1 : 1
  }
}

const operators: ReadonlyMap<string, (order: number) => boolean> = new Map([
  ["eq", (order: number) => order === 0],
  ["ne", (order: number) => order !== 0],
  ["ge", (order: number) => order >= 0],
  ["gt", (order: number) => order > 0],
  ["le", (order: number) => order <= 0],
  ["lt", (order: number) => order < 0],
])

const functions: ReadonlyMap<string, (text: string, part: string) => boolean> = new Map([
  ["startswith", (text: string, part: string) => text.startsWith(part)],
  ["endswith", (text: string, part: string) => text.endsWith(part)],
  ["contains", (text: string, part: string) => text.includes(part)],
])

/** What is left of a filter, and how many brackets are open. */
interface Cursor {
  readonly tokens: Array<string>
  depth: number
}

/** Takes the next tokens if they are these words, whatever their case. */
const accept = ({ tokens }: Cursor, ...words: ReadonlyArray<string>): boolean => {
  const isNext = words.every((word, i) => tokens[i]?.toLowerCase() === word)
  if (isNext) tokens.splice(0, words.length)
  return isNext
}

/** What stands between brackets. */
const bracketed = <A>(self: Cursor, parse: () => A | undefined): A | undefined => {
  if (!accept(self, "(") || ++self.depth > deepest) return undefined
  const inner = parse()
  self.depth--
  return accept(self, ")") ? inner : undefined
}

const joined = (
  self: Cursor,
  word: string,
  part: () => Test | undefined,
  join: (left: Test, right: Test) => Test,
): Test | undefined => {
  let test = part()
  while (test !== undefined && accept(self, word)) {
    const next = part()
    test = next === undefined ? undefined : join(test, next)
  }
  return test
}

const disjunction = (self: Cursor, properties: PropertyOf): Test | undefined =>
  joined(
    self,
    "or",
    () => conjunction(self, properties),
    (left, right) => (row) => left(row) || right(row),
  )

const conjunction = (self: Cursor, properties: PropertyOf): Test | undefined =>
  joined(
    self,
    "and",
    () => negation(self, properties),
    (left, right) => (row) => left(row) && right(row),
  )

const negation = (self: Cursor, properties: PropertyOf): Test | undefined => {
  let isNegated = false
  while (accept(self, "not")) isNegated = !isNegated
  const test =
    self.tokens[0] === "(" ? bracketed(self, () => disjunction(self, properties)) : comparison(self, properties)
  return test === undefined || !isNegated ? test : (row) => !test(row)
}

const comparison = (self: Cursor, properties: PropertyOf): Test | undefined => {
  const word = self.tokens.shift() ?? ""
  const test = functions.get(word.toLowerCase())
  if (test !== undefined) return call(self, properties, test)
  if (word.toLowerCase().endsWith("/any")) return any(self, properties(word.slice(0, -4)))
  const property = properties(word)
  if (property === undefined) return undefined
  const name = self.tokens.shift()?.toLowerCase() ?? ""
  if (name === "in") return membership(self, property)
  const operator = operators.get(name)
  const literal = literalOf(self, property)
  if (operator === undefined || literal === undefined) return undefined
  const order = orderTo(valueOf(literal))
  return (row) => operator(order(row[property.name]))
}

const literalOf = ({ tokens }: Cursor, { type }: Property): string | undefined => {
  const token = tokens.shift()
  return token === undefined || !isOfType(token, type) ? undefined : token
}

/** `status in ('Failed','TimeOut')` */
const membership = (self: Cursor, property: Property): Test | undefined => {
  const orders: Array<ReturnType<typeof orderTo>> = []
  const list = bracketed(self, () => {
    do {
      const literal = literalOf(self, property)
      if (literal === undefined) return undefined
      orders.push(orderTo(valueOf(literal)))
    } while (accept(self, ","))
    return orders
  })
  return list === undefined ? undefined : (row) => list.some((order) => order(row[property.name]) === 0)
}

/** `startswith(computerDnsName,'ws-')` */
const call = (self: Cursor, properties: PropertyOf, test: (text: string, part: string) => boolean): Test | undefined =>
  bracketed(self, () => {
    const property = properties(self.tokens.shift() ?? "")
    if (property?.type !== "text") return undefined
    const part = accept(self, ",") ? literalOf(self, property) : undefined
    const wanted = part === undefined ? null : valueOf(part)
    if (wanted === null) return undefined
    return (row: Row) => {
      const text = row[property.name]
      return typeof text === "string" && test(text, wanted)
    }
  })

/** `machineTags/any(tag: tag eq 'incident-42')` */
const any = (self: Cursor, property: Property | undefined): Test | undefined =>
  bracketed(self, () => {
    const [variable = "", rest] = self.tokens.shift()?.split(":", 2) ?? []
    if (property?.type !== "texts" || variable === "" || rest === undefined) return undefined
    if (rest !== "") self.tokens.unshift(rest)
    const test = disjunction(self, (name) => (name === variable ? { name, type: "text" } : undefined))
    if (test === undefined) return undefined
    return (row: Row) => {
      const items = row[property.name]
      return Array.isArray(items) && items.some((item) => test({ [variable]: item }))
    }
  })

/** The test that a filter stands for. `undefined` where the filter can't be parsed, or names another property. */
export const parse = (text: string, properties: PropertyOf): Test | undefined => {
  const tokens = tokensOf(text)
  if (tokens === undefined) return undefined
  const cursor: Cursor = { tokens: [...tokens], depth: 0 }
  const test = disjunction(cursor, properties)
  return cursor.tokens.length === 0 ? test : undefined
}
