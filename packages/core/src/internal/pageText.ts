/**
 * The text of a page, which is cut into records before any of them is parsed: a record that is not JSON costs the others
 * nothing, and no step takes longer than one record. A page has 20 MB, so that its pieces are never joined to one text.
 */
import * as Result from "effect/Result"

/** Where a record is in the text, how deep it nests, and how many values are in it. */
export interface Span {
  readonly from: number
  readonly to: number
  readonly depth: number
  readonly values: number
}

/** In bytes. A page holds up to 10,000 records of some two thousand bytes each. */
export const pageLimit = 64 * 1024 * 1024

/** The bounds of a record in memory and time. A usual record has two thousand bytes and nests four deep. */
const deepest = 64
const longest = 1024 * 1024

/** How many members a page may have. A usual page has three. */
const mostMembers = 1000

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
  let values = 1
  let at = from
  const span = (to: number): Span => ({ from, to, depth: most, values })
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === 34) {
      at = endOfString(text, at)
      if (depth === 0 || at < 0) return span(at)
      continue
    }
    if (code === 123 || code === 91) {
      most = Math.max(most, ++depth)
      values++
    } else if (code === 125 || code === 93) {
      if (--depth <= 0) return span(depth < 0 ? at : at + 1)
    } else if (depth === 0 && (code === 44 || isSpace(code))) return span(at)
    else if (code === 44) values++
    at++
  }
  return span(depth === 0 ? at : -1)
}

/** At least so much text is joined at once: the runtime is fast with texts that are not much longer. */
const windowLength = 32 * 1024

/** A position in the text of a page, of which only a window is joined. */
class Cursor {
  /** The window, and the position in it. */
  text = ""
  at = 0
  private readonly parts: ReadonlyArray<string>
  private next = 0
  /** How many characters were before the window. */
  private before = 0

  constructor(parts: ReadonlyArray<string>) {
    this.parts = parts
  }

  /** The position in the whole text. */
  get position(): number {
    return this.before + this.at
  }

  /** The next character that is not white space. It is empty at the end of the text. */
  peek(): string {
    do this.at = skipSpace(this.text, this.at)
    while (this.at >= this.text.length && this.extend())
    return this.text.charAt(this.at)
  }

  /** Whether the next character is this one, which is passed then. */
  take(character: string): boolean {
    const isThere = this.peek() === character
    if (isThere) this.at++
    return isThere
  }

  /** The value that is next. The position stays before it. */
  span(): Span {
    this.peek()
    let span = spanOf(this.text, this.at)
    // A value that reaches the end of the window may have more.
    while ((span.to < 0 || span.to >= this.text.length) && this.extend()) span = spanOf(this.text, this.at)
    return span
  }

  /** Adds at least as much text as is left of the window, so that a long value is not walked through again and again. */
  private extend(): boolean {
    if (this.next >= this.parts.length) return false
    const pieces = [this.text.slice(this.at)]
    const least = Math.max(this.text.length - this.at, windowLength)
    for (let length = 0; length <= least && this.next < this.parts.length;) {
      const part = this.parts[this.next++] ?? ""
      pieces.push(part)
      length += part.length
    }
    this.before += this.at
    this.text = pieces.join("")
    this.at = 0
    return true
  }
}

/** A record, and the text that it is in. */
export interface Found {
  readonly text: string
  readonly span: Span
}

/** The items of the array that is next. Returns whether the array ends. */
function* items(cursor: Cursor): Generator<Found, boolean> {
  cursor.take("[")
  if (cursor.take("]")) return true
  do {
    const span = cursor.span()
    if (span.to <= span.from) return false
    yield { text: cursor.text, span }
    cursor.at = span.to
  } while (cursor.take(","))
  return cursor.take("]")
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

/** What is known of a page beside its records. */
interface Members {
  count: number
  hasRecords: boolean
  /** The members that are needed. Others are not parsed: they may hold any number of values. */
  readonly values: Map<"value" | "@odata.nextLink", unknown>
}

/** Why a page can't be read at a position. */
const cut = (cursor: Cursor, isEnd = cursor.peek() === ""): Result.Result<never, string> =>
  Result.fail(isEnd ? "it ends too early" : `it is not JSON at character ${cursor.position}`)

/** One member of a page. Returns why it can't be read. */
function* member(cursor: Cursor, members: Members): Generator<Found, Result.Result<void, string>> {
  if (++members.count > mostMembers) return Result.fail(`it has more than ${mostMembers} members`)
  const key = cursor.peek() === '"' ? cursor.span() : undefined
  if (key === undefined || key.to < 0) return cut(cursor)
  const name = Result.getOrUndefined(read(cursor.text, key))
  cursor.at = key.to
  if (!cursor.take(":")) return cut(cursor)
  if (name === "value" && cursor.peek() === "[") {
    members.hasRecords = true
    return (yield* items(cursor)) ? Result.void : cut(cursor, true)
  }
  const span = cursor.span()
  if (span.to <= span.from) return cut(cursor, true)
  if (name === "value" || name === "@odata.nextLink") {
    members.values.set(name, Result.getOrUndefined(read(cursor.text, span)))
  }
  cursor.at = span.to
  return Result.void
}

/**
 * The records of a page, which are the items of its member `value`. Returns the link to the next page, or why the text is
 * not a page.
 */
export function* records(
  parts: ReadonlyArray<string>,
): Generator<Found, Result.Result<{ readonly nextLink: unknown }, string>> {
  const cursor = new Cursor(parts)
  const members: Members = { count: 0, hasRecords: false, values: new Map() }
  if (!cursor.take("{")) return Result.fail("it is not a JSON object")
  if (cursor.peek() !== "}") {
    do {
      const problem = yield* member(cursor, members)
      if (Result.isFailure(problem)) return Result.fail(problem.failure)
    } while (cursor.take(","))
  }
  if (cursor.peek() !== "}") return cut(cursor)
  const { hasRecords, values } = members
  if (!hasRecords) {
    return Result.fail(values.has("value") ? `its "value" is ${nameOf(values.get("value"))}` : 'it has no "value"')
  }
  return Result.succeed({ nextLink: values.get("@odata.nextLink") })
}
