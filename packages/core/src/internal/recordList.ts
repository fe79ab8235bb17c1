/** A list of the API: each record is decoded by itself, so that one that can't be read costs the others nothing. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Answer } from "./apiCall.ts"
import * as Lenient from "./lenient.ts"
import * as PageText from "./pageText.ts"
import { oneLine } from "./text.ts"

/**
 * A record of a list that can't be read: its place in the page, counted from 0, its id where it has one, and what is
 * wrong with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unreadable {
  readonly index: number
  readonly id?: string
  readonly description: string
  /** How many records it stands for, from this one on: behind the first hundred of a page they are counted alone. */
  readonly count?: number
}

export interface Item<A> {
  /** What tells it from the other records of the list. */
  readonly key: string
  readonly record: Result.Result<A, Unreadable>
}

export interface RecordList<A> {
  readonly items: ReadonlyArray<Item<A>>
  /** How many records there are, those included that `items` has no item for. */
  readonly count: number
  readonly nextLink: unknown
}

/** The API's own limit is 10,000. As objects, 60 MB of the shortest records need 4 GB. */
const mostRecords = 20_000

/** The fullest page has 10,000 actions of some hundred values each. */
const mostValues = 5_000_000

/** So many are described. The others are counted. */
const mostUnreadable = 100

/** The records that can't be read, with as many of them in memory as are described. */
const makeUnreadable = () => {
  let first = 0
  let count = 0
  return {
    /** Counts one. Gives whether it is one of those that are described. */
    add: (index: number): boolean => {
      count++
      if (count === mostUnreadable + 1) first = index
      return count <= mostUnreadable
    },
    /** What stands for the others. */
    get rest(): ReadonlyArray<Item<never>> {
      const more = count - mostUnreadable
      if (more <= 0) return []
      const description = `${more} more records can't be read`
      return [{ key: `${first} and ${description}`, record: Result.fail({ index: first, description, count: more }) }]
    },
  }
}

/** So many characters are read before others have their turn: some five milliseconds. */
const sliceLength = 256 * 1024

/** Decodes an answer in steps. What it fails with is a few words, in which nothing of the answer is. */
export const decode = Effect.fnUntraced(function* <A extends { readonly id: string }>(
  { body: text, clean }: Pick<Answer, "body" | "clean">,
  fromApi: (value: unknown) => Result.Result<A, string>,
): Effect.fn.Return<RecordList<A>, string> {
  const records = PageText.records(text)
  const items: Array<Item<A>> = []
  const unreadable = makeUnreadable()
  let count = 0
  let values = 0
  let turn = 0
  let step = records.next()
  for (; step.done !== true; step = records.next()) {
    const span = step.value
    values += span.values
    if (count === mostRecords) return yield* Effect.fail(`it has more than ${mostRecords} records`)
    if (values > mostValues) return yield* Effect.fail(`it has more than ${mostValues} values`)
    const value = Result.map(PageText.read(text, span), clean)
    const beginning = () => text.slice(span.from, Math.min(span.to, span.from + 200))
    const item = itemOf(value, count, fromApi, beginning)
    if (Result.isSuccess(item.record) || unreadable.add(count)) items.push(item)
    count++
    if (span.to - turn < sliceLength) continue
    turn = span.to
    yield* Effect.yieldNow
  }
  const { nextLink } = yield* Effect.fromResult(step.value)
  return { items: [...items, ...unreadable.rest], count, nextLink: clean(nextLink) }
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

/** In a sentence for a person: what is wrong with the first, and how many others there are. */
export const describe = (unreadable: ReadonlyArray<Unreadable>): string => {
  const more = unreadable.reduce((sum, { count = 1 }) => sum + count, -1)
  const others = more === 0 ? "" : `; ${more} more of its records can't be read`
  return `${unreadable.slice(0, 1).map(describeOne).join()}${others}`
}

/** In a sentence for a person. */
export const describeOne = ({ count, description, id, index }: Unreadable): string =>
  count !== undefined
    ? `${description}, from record ${index + 1} of the list on`
    : `record ${index + 1} of the list${id === undefined ? "" : ` (${id})`} can't be read: ${description}`
