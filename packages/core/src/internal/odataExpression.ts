/** Expressions of OData's `$filter`, whose values are quoted. */
import * as DateTime from "effect/DateTime"

/** Quotes a text for an OData expression, so that it can't become a part of the expression. */
export const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`

/** Values of a filter: at least one. */
export type Values = readonly [string, ...ReadonlyArray<string>]

/** Brackets, where alternatives could be taken apart by what stands beside them. */
export const anyOf = (alternatives: ReadonlyArray<string>): string => {
  const expression = alternatives.join(" or ")
  return alternatives.length === 1 ? expression : `(${expression})`
}

export const equals = (field: string, values: Values): string =>
  anyOf(values.map((value) => `${field} eq ${quoted(value)}`))

export const atLeast = (field: string, instant: DateTime.DateTime): string =>
  `${field} ge ${DateTime.formatIso(instant)}`

export const lessThan = (field: string, instant: DateTime.DateTime): string =>
  `${field} lt ${DateTime.formatIso(instant)}`

/** All of these, each in brackets of its own. */
export const allOf = <A extends { readonly expression: string }>(
  filters: readonly [A, ...ReadonlyArray<A>],
): { readonly expression: string } =>
  filters.length === 1 ? filters[0] : { expression: filters.map(({ expression }) => `(${expression})`).join(" and ") }
