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
  readonly nextLink: unknown
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
  let turn = 0
  let step = records.next()
  for (; step.done !== true; step = records.next()) {
    const span = step.value
    const value = Result.map(PageText.read(body, span), redact)
    items.push(itemOf(value, items.length, fromApi, () => body.slice(span.from, Math.min(span.to, span.from + 200))))
    if (span.to - turn < sliceLength) continue
    turn = span.to
    yield* Effect.yieldNow
  }
  return yield* Effect.fromResult(Result.map(step.value, ({ nextLink }) => ({ items, nextLink: redact(nextLink) })))
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
  const more = unreadable.length - 1
  const others = more === 0 ? "" : `; ${more} more of its records can't be read`
  return `${unreadable.slice(0, 1).map(describeOne).join()}${others}`
}

/** Describes a record in a sentence for a person. */
export const describeOne = ({ description, id, index }: Unreadable): string =>
  `record ${index + 1} of the list${id === undefined ? "" : ` (${id})`} can't be read: ${description}`
