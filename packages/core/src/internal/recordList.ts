/** A list of the API. Each record is decoded by itself, so that one that can't be read costs the others nothing. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Lenient from "./lenient.ts"
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

/** An answer, and what removes the secrets from the values in it. */
export interface Source {
  readonly body: string
  readonly redact: (value: unknown) => unknown
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
const sliceLength = 256 * 1024

/** Decodes an answer in steps. Its errors are a few words that have nothing of the answer in them. */
export const decode = Effect.fnUntraced(function* <A extends { readonly id: string }>(
  { body, redact }: Source,
  fromApi: (value: unknown) => Result.Result<A, string>,
): Effect.fn.Return<RecordList<A>, string> {
  const records = PageText.records(body)
  const items: Array<Item<A>> = []
  const unreadable = new UnreadableCount()
  let count = 0
  let values = 0
  let turn = 0
  let step = records.next()
  for (; step.done !== true; step = records.next()) {
    const span = step.value
    values += span.values
    const problem = excess(count + 1, values)
    if (problem !== undefined) return yield* Effect.fail(problem)
    const value = Result.map(PageText.read(body, span), redact)
    const item = itemOf(value, count, fromApi, () => body.slice(span.from, Math.min(span.to, span.from + 200)))
    if (Result.isSuccess(item.record) || unreadable.add(count)) items.push(item)
    count++
    if (span.to - turn < sliceLength) continue
    turn = span.to
    yield* Effect.yieldNow
  }
  const { nextLink } = yield* Effect.fromResult(step.value)
  return { items: [...items, ...unreadable.rest()], count, nextLink: redact(nextLink) }
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
