/** The query options of a list: `$filter`, `$orderby`, `$select`, `$top`, `$skip` and `$count`. Any other is an error. */
import { reject, Rejection } from "./errors.ts"
import { parse as parseFilter, type PropertyType, type Row, type Test } from "./odataFilter.ts"

/** A list of the API. */
export interface EntitySet {
  /** Its name in `@odata.context`. */
  readonly name: string
  readonly properties: ReadonlyArray<string>
  /** The properties that `$filter` may name. */
  readonly filterable: ReadonlyArray<string>
  /** The types of those that are not text. */
  readonly types: Readonly<Record<string, PropertyType>>
}

interface Query {
  readonly test: Test
  readonly compare: ((left: Row, right: Row) => number) | undefined
  readonly select: ReadonlyArray<string> | undefined
  readonly top: number | undefined
  readonly skip: number
  readonly hasCount: boolean
}

export interface Page {
  readonly value: ReadonlyArray<Row>
  /** How many records match, if `$count` asks for it. */
  readonly count: number | undefined
  /** The options of the next page, if there is one. */
  readonly next: { readonly skip: number; readonly top: number | undefined } | undefined
}

/** @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection */
const largestTop = 10_000

const supported: ReadonlySet<string> = new Set(["$filter", "$orderby", "$select", "$top", "$skip", "$count"])

const invalid = (problem: string) =>
  reject(400, "ODataError", `The query specified in the URI is not valid. ${problem}`)

const within = (properties: ReadonlyArray<string>) => {
  const byLower = new Map(properties.map((property) => [property.toLowerCase(), property]))
  return (name: string): string | undefined => byLower.get(name.toLowerCase())
}

/** Rejects an option that is unknown, and one that stands there twice. */
const checkNames = (params: URLSearchParams): Rejection | undefined => {
  const names = [...params.keys()]
  const unknown = names.find((name) => !supported.has(name))
  if (unknown !== undefined) return invalid(`The query parameter '${unknown}' is not supported.`)
  const repeated = names.find((name, i) => names.indexOf(name) !== i)
  return repeated === undefined ? undefined : invalid(`Query option '${repeated}' was specified more than once.`)
}

/** Rejects every option: only lists have any. */
export const rejectAny = (params: URLSearchParams): Rejection | undefined => {
  const [name] = params.keys()
  return name === undefined ? undefined : invalid(`The query parameter '${name}' is not supported.`)
}

const filterOf = (text: string | null, { filterable, types }: EntitySet): Rejection | Test => {
  if (text === null) return () => true
  const nameOf = within(filterable)
  const propertyOf = (text: string) => {
    const name = nameOf(text)
    return name === undefined ? undefined : { name, type: types[name] ?? "text" }
  }
  return (
    parseFilter(text, propertyOf) ??
    invalid(
      `The $filter can't be understood, compares a property with a value of another type, or names a property other than ${filterable.join(", ")}: ${text}`,
    )
  )
}

const compareValues = (left: unknown, right: unknown): number => {
  if (typeof left === "number" && typeof right === "number") return left - right
  const [first, second] = [String(left ?? ""), String(right ?? "")]
  return first === second ? 0 : first < second ? -1 : 1
}

const orderOf = (text: string | null, { properties }: EntitySet): Rejection | Query["compare"] => {
  if (text === null) return undefined
  const keys: Array<{ readonly property: string; readonly sign: number }> = []
  for (const part of text.split(",")) {
    const [name = "", direction = "asc", ...rest] = part.trim().split(/\s+/)
    const property = within(properties)(name)
    if (property === undefined || !/^(?:asc|desc)$/i.test(direction) || rest.length > 0) {
      return invalid(`The $orderby can't be understood: ${text}`)
    }
    keys.push({ property, sign: direction.toLowerCase() === "desc" ? -1 : 1 })
  }
  return (left, right) => {
    for (const { property, sign } of keys) {
      const order = sign * compareValues(left[property], right[property])
      if (order !== 0) return order
    }
    return 0
  }
}

const selectOf = (text: string | null, { properties }: EntitySet): Rejection | Query["select"] => {
  if (text === null) return undefined
  const selected: Array<string> = []
  for (const name of text.split(",")) {
    const property = within(properties)(name.trim())
    if (property === undefined) return invalid(`Could not find a property named '${name.trim()}'.`)
    selected.push(property)
  }
  return selected
}

const wholeNumber = (params: URLSearchParams, name: string, largest: number): Rejection | number | undefined => {
  const text = params.get(name)
  if (text === null) return undefined
  if (!/^\d{1,9}$/.test(text)) return invalid(`Invalid value '${text}' for ${name} query option found.`)
  return Number(text) > largest
    ? invalid(`The limit of '${largest}' for ${name} query has been exceeded. The value is '${text}'.`)
    : Number(text)
}

const countOf = (text: string | null): Rejection | boolean => {
  if (text === null || text === "false") return false
  return text === "true" ? true : invalid(`Invalid value '${text}' for $count query option found.`)
}

const parse = (params: URLSearchParams, of: EntitySet): Rejection | Query => {
  const problem = checkNames(params)
  if (problem !== undefined) return problem
  const test = filterOf(params.get("$filter"), of)
  if (test instanceof Rejection) return test
  const compare = orderOf(params.get("$orderby"), of)
  if (compare instanceof Rejection) return compare
  const select = selectOf(params.get("$select"), of)
  if (select instanceof Rejection) return select
  const top = wholeNumber(params, "$top", largestTop)
  if (top instanceof Rejection) return top
  const skip = wholeNumber(params, "$skip", Number.MAX_SAFE_INTEGER)
  if (skip instanceof Rejection) return skip
  const hasCount = countOf(params.get("$count"))
  if (hasCount instanceof Rejection) return hasCount
  return { test, compare, select, top, skip: skip ?? 0, hasCount }
}

const selected = (row: Row, properties: ReadonlyArray<string> | undefined): Row =>
  properties === undefined ? row : Object.fromEntries(properties.map((property) => [property, row[property] ?? null]))

/** The page of `rows` that a query asks for. Without `$orderby` they stay in their order. */
export const page = (
  rows: ReadonlyArray<Row>,
  params: URLSearchParams,
  of: EntitySet,
  pageSize: number,
): Rejection | Page => {
  const query = parse(params, of)
  if (query instanceof Rejection) return query
  const { compare, hasCount, select, skip, test, top } = query
  const matching = rows.filter(test)
  const ordered = compare === undefined ? matching : matching.toSorted(compare)
  const last = Math.min(ordered.length, skip + (top ?? ordered.length))
  const end = Math.min(last, skip + pageSize)
  return {
    value: ordered.slice(skip, end).map((row) => selected(row, select)),
    count: hasCount ? matching.length : undefined,
    next: end < last ? { skip: end, top: top === undefined ? undefined : top - (end - skip) } : undefined,
  }
}

/** How many of `rows` match the query's `$filter`, for the path `/$count`. */
export const count = (rows: ReadonlyArray<Row>, params: URLSearchParams, of: EntitySet): Rejection | number => {
  const query = parse(params, of)
  return query instanceof Rejection ? query : rows.filter(query.test).length
}
