/**
 * The names of all files in a directory of results or of state. A name is never taken from a file, a link or a response.
 *
 * @since 0.1.0
 */
import type { ResultRef } from "./ResultRef.ts"

/**
 * Files of which a directory has at most one.
 *
 * @since 0.1.0
 * @category names
 */
export const single = {
  manifest: "manifest.jsonl",
  sessions: "sessions.jsonl",
  actions: "actions.jsonl",
  follow: "follow.json",
  unknownMachines: "unknown-machines.json",
  resultsTable: "results.csv",
  resultsLines: "results.jsonl",
  report: "report.html",
  lock: ".lock",
  quota: "quota.sqlite",
} as const

/**
 * The kind of a result, by its content. It is the extension of the result's file.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = (typeof kinds)[number]

/**
 * All kinds of results: JSON, gzip, zip, and anything else.
 *
 * @since 0.1.0
 * @category models
 */
export const kinds = ["json", "gz", "zip", "bin"] as const

/**
 * The endings of the files of one result: the result by its kind, its unpacked content, and during the download its
 * partial bytes and the record of them.
 *
 * @since 0.1.0
 * @category models
 */
export const endings = [...kinds, "unpacked", "part", "part.json"] as const

/**
 * The name of a file of a result, relative to the directory of results: `<machineActionId>/<index>.<ending>`.
 *
 * **Example** (The file of a script result)
 *
 * @example
 * ```ts
 * import * as FileName from "@live-response/core/FileName"
 * import { ResultRef } from "@live-response/core/ResultRef"
 * import * as Schema from "effect/Schema"
 *
 * const ref = Schema.decodeSync(ResultRef)({ machineActionId: "988cc94e-7a8f-4b28-ab65-54970c5d5018", index: 0 })
 * console.log(FileName.ofResult(ref, "json")) // 988cc94e-7a8f-4b28-ab65-54970c5d5018/0.json
 * ```
 *
 * @since 0.1.0
 * @category names
 */
export const ofResult = (
  { index, machineActionId }: Pick<ResultRef, "index" | "machineActionId">,
  ending: (typeof endings)[number],
): string => `${machineActionId}/${index}.${ending}`

/**
 * The kind of the result whose file has this name, or `undefined` if it is not the name of a file of this result.
 *
 * @since 0.1.0
 * @category names
 */
export const kindOf = (ref: Pick<ResultRef, "index" | "machineActionId">, name: string): Kind | undefined =>
  kinds.find((kind) => ofResult(ref, kind) === name)

const decoder = new TextDecoder()

/**
 * The kind of a result, by its first bytes. It is the extension of the file.
 *
 * **Details**
 *
 * The content type of the answer is not used, because the service does not set it reliably.
 *
 * @since 0.1.0
 * @category names
 */
export const kindOfContent = (start: Uint8Array): Kind => {
  // Only an investigation package is a zip file as it is served: a collected one is inside gzip.
  if (start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4) return "zip"
  if (start[0] === 0x1f && start[1] === 0x8b) return "gz"
  return /^\uFEFF?\s*\{/.test(decoder.decode(start)) ? "json" : "bin"
}

/**
 * Whether a file in the directory of a machine action has a name that only a result has. Nothing else is taken from a name
 * that was found: which result it is, if any, a record says.
 *
 * @since 0.1.0
 * @category names
 */
export const isResult = (name: string): boolean =>
  kinds.some((kind) => name.endsWith(`.${kind}`) && /^\d{1,3}$/.test(name.slice(0, -kind.length - 1)))

/**
 * The name that a file has until all of it is written. Where two programs may write the same file at once, each needs a
 * `tag` of its own.
 *
 * @since 0.1.0
 * @category names
 */
export const partOf = (name: string, tag?: string | number): string =>
  tag === undefined ? `${name}.part` : `${name}.${tag}.part`

/**
 * The name of a file that could not be read and was set aside.
 *
 * @since 0.1.0
 * @category names
 */
export const brokenOf = (name: string, tag?: string): string => `${name}.broken${tag === undefined ? "" : `-${tag}`}`

/**
 * The names of all files that SQLite may open for a database.
 *
 * @since 0.1.0
 * @category names
 */
export const ofDatabase = (name: string): ReadonlyArray<string> => [
  name,
  ...["-journal", "-wal", "-shm"].map((ending) => name + ending),
]

const databases: ReadonlySet<string> = new Set([single.lock, single.quota])

/**
 * All names of files of one result and its directories.
 *
 * **When to use**
 *
 * Use it in tests that must cover every file. `tag` is the tag of partial files, see {@link partOf}.
 *
 * @since 0.1.0
 * @category names
 */
export const all = (ref: Pick<ResultRef, "index" | "machineActionId">, tag: string | number): ReadonlyArray<string> => [
  ...Object.values(single).flatMap((name) =>
    databases.has(name) ? ofDatabase(name) : [name, partOf(name), partOf(name, tag)],
  ),
  ...endings.flatMap((ending) => [ofResult(ref, ending), partOf(ofResult(ref, ending))]),
]

/** An id is a UUID, and an index has at most three digits. */
const longestResult = "00000000-0000-0000-0000-000000000000/999.".length

/**
 * The length of the longest name in a directory of results, in UTF-16 units.
 *
 * @since 0.1.0
 * @category names
 */
export const longest: number = longestResult + Math.max(...endings.map((ending) => partOf(ending).length))
