/** A list of the API. Each record is decoded by itself, so that one that can't be read costs the others nothing. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Secrets, withoutSecrets } from "./foreignText.ts"
import * as Lenient from "./lenientFields.ts"
import * as PageText from "./pageText.ts"
import { oneLine } from "./text.ts"

/**
 * A record of a list that can't be read: its position in the page, counted from 0, its id where it has one, and what is
 * wrong with it.
 */
export interface Unreadable {
  readonly index: number
  readonly id?: string
  readonly description: string
  /** How many records this one stands for. Only the first hundred of a page are described; the rest are one item. */
  readonly count?: number
}

export interface Item<A> {
  /** Identifies the record in its list. */
  readonly key: string
  readonly record: Result.Result<A, Unreadable>
}

/** An answer. */
export interface Source {
  /** Its text, in pieces. */
  readonly parts: ReadonlyArray<string>
  /** The tokens that were sent: the API may repeat them in the text. */
  readonly secrets: Secrets
}

export interface RecordList<A> {
  readonly items: ReadonlyArray<Item<A>>
  /** How many records the page has. `items` may have fewer. */
  readonly count: number
  readonly nextLink: unknown
}

/** Microsoft's limit is 10,000. Of the shortest records 60 MB need 4 GB as objects. */
const mostRecords = 20_000

/** The fullest page has 10,000 actions of some hundred values each. */
const mostValues = 5_000_000

/** How many unreadable records of a page are described. The rest are counted. */
const mostUnreadable = 100

/** How many unreadable records a page has, and which is the first that is not described. */
class UnreadableCount {
  private firstRest = 0
  private count = 0

  /** Counts a record. Returns whether it is described. */
  add(index: number): boolean {
    this.count++
    if (this.count === mostUnreadable + 1) this.firstRest = index
    return this.count <= mostUnreadable
  }

  /** The item for the records that are not described, if there are any. */
  rest(): ReadonlyArray<Item<never>> {
    const count = this.count - mostUnreadable
    if (count <= 0) return []
    const index = this.firstRest
    const description = `${count} more records can't be read`
    return [{ key: `${index} and ${description}`, record: Result.fail({ index, description, count }) }]
  }
}

/** What is wrong with a page that has this many records and values so far. */
const excess = (records: number, values: number): string | undefined => {
  if (records > mostRecords) return `it has more than ${mostRecords} records`
  return values > mostValues ? `it has more than ${mostValues} values` : undefined
}

/** How many characters are decoded before other fibers run: some five milliseconds. */
const sliceLength = 128 * 1024

/** The values of records without secrets. The text that they are in is searched once for all of them. */
const makeRedact = (secrets: Secrets) => {
  let searched: string | undefined
  let redact = withoutSecrets(secrets, "")
  return (text: string) => {
    if (text !== searched) redact = withoutSecrets(secrets, text)
    searched = text
    return redact
  }
}

/** Decodes an answer in steps. Its errors are a few words that have nothing of the answer in them. */
export const decode = Effect.fnUntraced(function* <A extends { readonly id: string }>(
  { parts, secrets }: Source,
  fromApi: (value: unknown) => Result.Result<A, string>,
): Effect.fn.Return<RecordList<A>, string> {
  const records = PageText.records(parts)
  const redactOf = makeRedact(secrets)
  const items: Array<Item<A>> = []
  const unreadable = new UnreadableCount()
  const total = { records: 0, values: 0 }
  let decoded = 0
  let step = records.next()
  for (; step.done !== true; step = records.next()) {
    const { span, text } = step.value
    total.values += span.values
    const problem = excess(total.records + 1, total.values)
    if (problem !== undefined) return yield* Effect.fail(problem)
    const value = Result.map(PageText.read(text, span), redactOf(text))
    const beginning = () => text.slice(span.from, Math.min(span.to, span.from + 200))
    const item = itemOf(value, total.records, fromApi, beginning)
    if (Result.isSuccess(item.record) || unreadable.add(total.records)) items.push(item)
    total.records++
    decoded += span.to - span.from
    if (decoded < sliceLength) continue
    decoded = 0
    yield* Effect.yieldNow
  }
  const { nextLink } = yield* Effect.fromResult(step.value)
  const redact = withoutSecrets(secrets, JSON.stringify(nextLink) ?? "")
  return { items: [...items, ...unreadable.rest()], count: total.records, nextLink: redact(nextLink) }
})

const itemOf = <A extends { readonly id: string }>(
  value: Result.Result<unknown, string>,
  index: number,
  fromApi: (value: unknown) => Result.Result<A, string>,
  beginning: () => string,
): Item<A> => {
  const record = Result.flatMap(value, fromApi)
  if (Result.isSuccess(record)) return { key: record.success.id, record: Result.succeed(record.success) }
  const id = Lenient.member(Result.getOrUndefined(value), "id")
  const description = record.failure
  return typeof id === "string" && id !== ""
    ? { key: id.toLowerCase(), record: Result.fail({ index, id: oneLine(id.slice(0, 64)), description }) }
    : {
        key: `${index} ${beginning()}`,
        record: Result.fail({ index, description }),
      }
}

/** Describes the first record in a sentence for a person, and counts the others. */
export const describe = (unreadable: ReadonlyArray<Unreadable>): string => {
  const more = unreadable.reduce((sum, { count = 1 }) => sum + count, -1)
  const others = more === 0 ? "" : `; ${more} more of its records can't be read`
  return `${unreadable.slice(0, 1).map(describeOne).join()}${others}`
}

/** Describes a record in a sentence for a person. */
export const describeOne = ({ count, description, id, index }: Unreadable): string =>
  count === undefined
    ? `record ${index + 1} of the list${id === undefined ? "" : ` (${id})`} can't be read: ${description}`
    : `${description}, from record ${index + 1} of the list`
