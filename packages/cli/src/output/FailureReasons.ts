/**
 * Why results and sessions failed, counted.
 */
import * as CommandText from "./CommandText.ts"
import * as Format from "./Format.ts"
import { printable } from "./Printable.ts"

/** Of machine actions, results and machines. */
const ids = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?::\d{1,3})?|\b[0-9a-f]{40}\b/gi

const hashes = /\b[0-9a-f]{64}\b/gi

/** A message without the ids and the SHA-256 in it, so that the same failure of many machines is one reason. */
export const reasonOf = (message: string): string => message.replaceAll(ids, "<id>").replaceAll(hashes, "<hash>")

/** So many different reasons are counted one by one. Scripts and servers may write anything into theirs. */
export const mostReasons = 1_000

export type Reasons = Map<string, number>

export const add = (reasons: Reasons, message: string): void => {
  const reason = reasonOf(message)
  const key = reasons.has(reason) || reasons.size < mostReasons ? reason : "other failures"
  reasons.set(key, (reasons.get(key) ?? 0) + 1)
}

/** The most frequent first. */
export const mostFrequent = (
  reasons: ReadonlyMap<string, number>,
): ReadonlyArray<{ readonly message: string; readonly count: number }> =>
  Array.from(reasons, ([message, count]) => ({ message, count })).toSorted(
    (a, b) => b.count - a.count || (a.message < b.message ? -1 : 1),
  )

const mostShown = 3

/** The most frequent reasons, one a line, and how many there are beside them. */
export const lines = (reasons: ReadonlyMap<string, number>): ReadonlyArray<string> => {
  const all = mostFrequent(reasons)
  const rest = all.slice(mostShown).reduce((sum, { count }) => sum + count, 0)
  return [
    ...all.slice(0, mostShown).map(({ count, message }) => `${Format.count(count)} × ${printable(message)}`),
    ...(rest === 0
      ? []
      : [
          `${Format.counted(rest, "other failure")}: ${Format.count(mostShown)} of ${Format.count(all.length)} reasons are shown.`,
        ]),
  ]
}

/** How to see each failure. */
export const whereToLook = (directory: string): string => `Each of them: ${CommandText.report(directory)}`
