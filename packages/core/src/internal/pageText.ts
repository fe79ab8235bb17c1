/**
 * The text of a page, which is cut into records before any of them is parsed: a record that is not JSON costs the others
 * nothing, and no step takes longer than one record.
 */
import * as Result from "effect/Result"

/** Where a record is in the text, and how deep it nests. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly depth: number
}

/** The bounds of a record in memory and time. A usual record has two thousand bytes and nests four deep. */
const deepest = 64
const longest = 1024 * 1024

const isSpace = (code: number) => code === 32 || code === 10 || code === 13 || code === 9 || code === 0xfeff

const skipSpace = (text: string, from: number): number => {
  let at = from
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

/** The position after the string whose opening quote is at `from`, or -1 where the text ends inside it. */
const endOfString = (text: string, from: number): number => {
  for (let quote = text.indexOf('"', from + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let before = quote
    while (text.charCodeAt(before - 1) === 92) before--
    if ((quote - before) % 2 === 0) return quote + 1
  }
  return -1
}

/** The value that starts at `from`. Its `to` is not after its `from` where there is no value or the text ends inside it. */
const spanOf = (text: string, from: number): Span => {
  let depth = 0
  let most = 0
  let at = from
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      at = endOfString(text, at)
      if (depth === 0 || at < 0) return { from, to: at, depth: most }
      continue
    }
    if (code === 123 || code === 91) most = Math.max(most, ++depth)
    else if (code === 125 || code === 93) {
      if (--depth <= 0) return { from, to: depth < 0 ? at : at + 1, depth: most }
    } else if (depth === 0 && (code === 44 || isSpace(code))) return { from, to: at, depth: most }
    at++
  }
  return { from, to: depth === 0 ? at : -1, depth: most }
}

/** The items of the array whose opening bracket is at `from`. Returns the position after it, or -1. */
function* items(text: string, from: number): Generator<Span, number> {
  let at = skipSpace(text, from + 1)
  if (text.charAt(at) === "]") return at + 1
  while (true) {
    const span = spanOf(text, at)
    if (span.to <= span.from) return -1
    yield span
    at = skipSpace(text, span.to)
    if (text.charAt(at) === "]") return at + 1
    if (text.charAt(at) !== ",") return -1
    at = skipSpace(text, at + 1)
  }
}

const parse = (text: string): Result.Result<unknown, string> =>
  Result.try({ try: (): unknown => JSON.parse(text), catch: () => "it is not JSON" })

/** Parses a record, or says what is wrong with it. */
export const read = (text: string, { depth, from, to }: Span): Result.Result<unknown, string> => {
  if (depth > deepest) return Result.fail(`it nests more than ${deepest} deep`)
  if (to - from > longest) return Result.fail(`it is longer than ${longest} characters`)
  return parse(text.slice(from, to))
}

/** Parses a text that is one record. */
export const readWhole = (text: string): Result.Result<unknown, string> => read(text, spanOf(text, skipSpace(text, 0)))

const nameOf = (value: unknown): string => (value === null || value === undefined ? "null" : `a ${typeof value}`)

/**
 * The records of a page, which are the items of its member `value`. Returns the link to the next page, or why the text is
 * not a page.
 */
export function* records(text: string): Generator<Span, Result.Result<{ readonly nextLink: unknown }, string>> {
  const cut = (at: number) => Result.fail(at >= text.length ? "it ends too early" : `it is not JSON at character ${at}`)
  const others = new Map<unknown, unknown>()
  let hasRecords = false
  let at = skipSpace(text, 0)
  if (text.charAt(at) !== "{") return Result.fail("it is not a JSON object")
  do {
    at = skipSpace(text, at + 1)
    if (text.charAt(at) === "}" && others.size === 0 && !hasRecords) break
    const key = text.charAt(at) === '"' ? spanOf(text, at) : undefined
    if (key === undefined || key.to < 0) return cut(at)
    const name = Result.getOrUndefined(read(text, key))
    at = skipSpace(text, key.to)
    if (text.charAt(at) !== ":") return cut(at)
    at = skipSpace(text, at + 1)
    const isRecords = name === "value" && text.charAt(at) === "["
    const span = isRecords ? undefined : spanOf(text, at)
    const end = span === undefined ? yield* items(text, at) : span.to
    if (end <= at) return cut(text.length)
    if (isRecords) hasRecords = true
    if (span !== undefined) others.set(name, Result.getOrUndefined(read(text, span)))
    at = skipSpace(text, end)
  } while (text.charAt(at) === ",")
  if (text.charAt(at) !== "}") return cut(at)
  if (!hasRecords) {
    return Result.fail(others.has("value") ? `its "value" is ${nameOf(others.get("value"))}` : 'it has no "value"')
  }
  return Result.succeed({ nextLink: others.get("@odata.nextLink") })
}
