/**
 * The files of results that can't be used, counted by reason: a line for each of a hundred files would bury what the command prints.
 */
import * as Effect from "effect/Effect"
import * as CommandText from "./CommandText.ts"
import * as FailureReasons from "./FailureReasons.ts"
import * as Format from "./Format.ts"
import { printable } from "./Printable.ts"
import * as StandardError from "./StandardError.ts"

export interface UnusableFile {
  readonly path: string
  /** Why it can't be used. */
  readonly problem: string
}

/** The files of one reason. */
interface Group {
  readonly first: UnusableFile
  readonly paths: Array<string>
  count: number
}

/** What is said of a file, before the reason, and of several. */
interface Words {
  readonly one: (path: string) => string
  readonly many: (files: string) => string
}

const mostPaths = 3

/** Damage may be different in each file. */
const mostReasons = 5

const listed = (paths: ReadonlyArray<string>): string =>
  paths.length < 2 ? paths.join("") : `${paths.slice(0, -1).join(", ")} and ${paths.at(-1)}`

const text = ({ count, first, paths }: Group, { many, one }: Words): string => {
  if (count === 1) return `${one(first.path)} ${first.problem}`
  const names = `${count > paths.length ? "such as " : ""}${listed(paths)}`
  return `${many(Format.counted(count, "file"))}, ${names}: ${FailureReasons.reasonOf(first.problem)}`
}

/** Collects such files. `report` writes a line for each of the most frequent reasons. */
export const make = (directory: string, words: Words) => {
  const groups = new Map<string, Group>()
  /** The files of reasons that came too late to be counted one by one. */
  let others = 0

  const add = (file: UnusableFile): void => {
    const reason = FailureReasons.reasonOf(file.problem)
    const known = groups.get(reason)
    if (known === undefined && groups.size >= FailureReasons.mostReasons) {
      others++
      return
    }
    const group = known ?? { first: file, paths: [], count: 0 }
    groups.set(reason, group)
    group.count++
    if (group.paths.length < mostPaths) group.paths.push(file.path)
  }

  const lines = (): ReadonlyArray<string> => {
    const all = Array.from(groups.values()).toSorted((a, b) => b.count - a.count)
    const rest = all.slice(mostReasons).reduce((sum, { count }) => sum + count, others)
    const isShort = rest > 0 || all.some(({ count, paths }) => count > paths.length)
    return [
      ...all.slice(0, mostReasons).map((group) => text(group, words)),
      ...(rest === 0 ? [] : [`${words.many(Format.counted(rest, "more file"))}, for other reasons`]),
      ...(isShort ? [`each file that can't be used: ${CommandText.report(directory)}`] : []),
    ]
  }

  return {
    add,
    report: Effect.suspend(() =>
      Effect.forEach(lines(), (line) => StandardError.write(printable(`live-response: ${line}`)), { discard: true }),
    ),
  }
}
