/**
 * The data of a report. The command writes it, and the page in `packages/cli/report` reads it.
 *
 * Tables are columns, and each text is stored once: a `Text` is its index in `texts`, where 0 is the empty text. So 100,000
 * results are a few megabytes, and a browser reads them in a second. The hashes of the files are apart, because they can't be
 * compressed: 32 bytes for each result, zeros if it has no file.
 */

import type { Damaged } from "../../input/Damage.ts"

export type Text = number

/** Names that a run was given and that lead to no machine: the first of them, and how many there are. */
export interface SomeNames {
  readonly first: ReadonlyArray<string>
  readonly count: number
}

/** Those that no machine has, and those that several machines have. */
export type UnknownNames = Readonly<Record<"unknown" | "ambiguous", SomeNames>>

/** In milliseconds since 1970. 0 if it is unknown. */
export type Instant = number

/** What became of a machine. Each machine has one state, so the counts add up. */
export const states = [
  "results",
  "unusable",
  "download failed",
  "session failed",
  "not finished",
  "not started",
  "nothing downloaded",
] as const

export type State = (typeof states)[number]

/** What became of machines, in words. */
export const stateLabels: Readonly<Record<State, string>> = {
  results: "With results",
  unusable: "A result's file can't be used",
  "download failed": "The download failed",
  "session failed": "The session failed",
  "not finished": "Offline or in progress",
  "not started": "The session was not started",
  "nothing downloaded": "Nothing was downloaded",
}

export const kinds = ["script", "file", "unusable", "failed"] as const

export type Kind = (typeof kinds)[number]

export interface Machines {
  readonly id: ReadonlyArray<Text>
  /** The DNS name, or what else is known of the machine. Never empty. */
  readonly name: ReadonlyArray<Text>
  /** An index in `states`. */
  readonly state: ReadonlyArray<number>
  /** Why it has no results. */
  readonly reason: ReadonlyArray<Text>
}

export interface Actions {
  readonly id: ReadonlyArray<Text>
  readonly machine: ReadonlyArray<number>
  readonly status: ReadonlyArray<Text>
  readonly requestor: ReadonlyArray<Text>
  readonly comment: ReadonlyArray<Text>
  readonly created: ReadonlyArray<Instant>
  readonly updated: ReadonlyArray<Instant>
  /** The errors of all commands, one a line. */
  readonly errors: ReadonlyArray<Text>
}

export interface Results {
  readonly machine: ReadonlyArray<number>
  readonly actionId: ReadonlyArray<Text>
  readonly index: ReadonlyArray<number>
  /** An index in `kinds`. */
  readonly kind: ReadonlyArray<number>
  /** The script that ran, or the file that was collected. */
  readonly source: ReadonlyArray<Text>
  readonly exitCode: ReadonlyArray<number | null>
  readonly firstLine: ReadonlyArray<Text>
  /** An index in `outputs`, or -1 without an output. */
  readonly output: ReadonlyArray<number>
  readonly outputCharacters: ReadonlyArray<number>
  readonly errors: ReadonlyArray<Text>
  readonly errorsCharacters: ReadonlyArray<number>
  /** The ending of the file. Empty if there is no file. */
  readonly ending: ReadonlyArray<Text>
  readonly bytes: ReadonlyArray<number>
  readonly at: ReadonlyArray<Instant>
  readonly links: ReadonlyArray<number>
  readonly problem: ReadonlyArray<Text>
}

/** The normalised outputs, each once. */
export interface Outputs {
  /** The beginning of the output. */
  readonly start: ReadonlyArray<Text>
  readonly characters: ReadonlyArray<number>
}

/** The values of a field that outputs have: `rows` are indexes of results, each as often as it has a value. */
export interface Field {
  /** A number that no other field of the data has, or had. */
  readonly id: number
  readonly name: string
  readonly rows: ReadonlyArray<number>
  readonly values: ReadonlyArray<Text>
}

/** How much of something is in the report. */
export interface Part {
  readonly shown: number
  readonly of: number
}

/** A limit of download links. */
export interface QuotaWindow {
  /** Such as "minute". */
  readonly name: string
  /** In milliseconds. */
  readonly window: number
  readonly limit: number
}

export interface Payload {
  readonly version: 1
  /** The program that wrote the report. */
  readonly program: string
  readonly directory: string
  readonly written: Instant
  /** From the report to the directory of results: a relative address that ends with a slash, or is empty. */
  readonly base: string
  readonly quota: ReadonlyArray<QuotaWindow>
  readonly fields: ReadonlyArray<Field>
  readonly parts: {
    /** Outputs whose beginning is in the report. */
    readonly outputs: Part
    /** Fields by which outputs can be stacked. */
    readonly fields: Part
    /** Script results that were compared whole. */
    readonly compared: Part
  }
  /** How many lines of each file could not be read. */
  readonly damaged: Damaged
  readonly unknownNames: UnknownNames
  readonly machines: Machines
  readonly actions: Actions
  readonly results: Results
  readonly outputs: Outputs
  readonly texts: ReadonlyArray<string>
}

/** Rows of a table that were added or replaced, and their numbers. */
interface ChangedRows<Columns> {
  readonly at: ReadonlyArray<number>
  readonly columns: Columns
}

/** Values that were added at the end of a column: `from` is how many there were before. */
export interface Added {
  readonly from: number
}

/** What of the data of a live page was added or has changed, or a part of that. The page has the rest. */
export interface Changes extends Pick<Payload, "version" | "written" | "damaged" | "unknownNames" | "parts"> {
  readonly kind: "changes"
  /** What never changes. Only the first part has it: with it, the page has nothing else. */
  readonly about?: Pick<Payload, "program" | "directory" | "base" | "quota">
  /** Whether the page has all that the collector has now. */
  readonly isComplete: boolean
  /** The fields of the data. A field that is missing is not in the data any more. */
  readonly fields: ReadonlyArray<Field & Added>
  readonly machines: ChangedRows<Machines>
  readonly actions: ChangedRows<Actions>
  readonly results: ChangedRows<Results>
  readonly outputs: Outputs & Added
  readonly texts: Added & { readonly added: ReadonlyArray<string> }
}

/** How many elements of a long column are put into one piece of JSON. */
const pieceLength = 1_000

function* arrayPieces(values: ReadonlyArray<unknown>): Generator<string> {
  yield "["
  for (let i = 0; i < values.length; i += pieceLength) {
    const piece = JSON.stringify(values.slice(i, i + pieceLength)).slice(1, -1)
    yield i === 0 ? piece : `,${piece}`
  }
  yield "]"
}

function* objectPieces(object: object): Generator<string> {
  let separator = "{"
  for (const [key, value] of Object.entries(object)) {
    yield `${separator}${JSON.stringify(key)}:`
    yield* jsonPieces(value)
    separator = ","
  }
  yield separator === "{" ? "{}" : "}"
}

/** JSON in pieces, so that the whole is never in memory. */
export function* jsonPieces(value: unknown): Generator<string> {
  if (Array.isArray(value)) {
    const isFlat = typeof value[0] !== "object" || value[0] === null
    yield* isFlat ? arrayPieces(value) : nestedPieces(value)
  } else if (typeof value === "object" && value !== null) yield* objectPieces(value)
  else yield JSON.stringify(value)
}

function* nestedPieces(values: ReadonlyArray<unknown>): Generator<string> {
  let separator = "["
  for (const value of values) {
    yield separator
    yield* jsonPieces(value)
    separator = ","
  }
  yield "]"
}

/** How many rows are of downloads that failed, which are not results. */
export const failedIn = ({ kind }: Payload["results"]): number => kind.filter((each) => kinds[each] === "failed").length

const damagedFiles = [
  ["manifest", "manifest.jsonl", "results"],
  ["actions", "actions.jsonl", "machines"],
  ["sessions", "sessions.jsonl", "machines"],
] as const

/** What the damaged lines of a directory mean, a sentence for each file that has any. */
export const damageNotes = (damaged: Damaged, counted: (n: number, noun: string) => string): ReadonlyArray<string> =>
  damagedFiles.flatMap(([file, name, missing]) =>
    damaged[file] === 0
      ? []
      : [
          `${counted(damaged[file], "damaged line")} of ${name} ${damaged[file] === 1 ? "was" : "were"} skipped, so some ${missing} may be missing: restore the file from a copy${file === "sessions" ? "" : ", or download again"}.`,
        ],
  )

/** How many names are named. */
const mostNamed = 10

const someOf = (names: ReadonlyArray<string>): SomeNames => ({ first: names.slice(0, mostNamed), count: names.length })

/** The names that a directory has, as a report has them. */
export const unknownNamesOf = ({
  ambiguous,
  unknown,
}: Readonly<Record<keyof UnknownNames, ReadonlyArray<string>>>): UnknownNames => ({
  unknown: someOf(unknown),
  ambiguous: someOf(ambiguous),
})

const listOf = ({ count, first }: SomeNames): string =>
  `${first.join(", ")}${count > first.length ? ` and ${count - first.length} more` : ""}`

/** What of the machines that a run was given is in no count, a sentence for each kind of name. */
export const unknownNotes = (
  { ambiguous, unknown }: UnknownNames,
  counted: (n: number, noun: string) => string,
): ReadonlyArray<string> => [
  ...(unknown.count === 0
    ? []
    : [
        `${counted(unknown.count, "named machine")} ${unknown.count === 1 ? "is" : "are"} unknown: ${listOf(unknown)}. Correct ${unknown.count === 1 ? "the name" : "the names"}, and run again.`,
      ]),
  ...(ambiguous.count === 0
    ? []
    : [
        `${counted(ambiguous.count, "name")} ${ambiguous.count === 1 ? "is" : "are each"} that of several machines: ${listOf(ambiguous)}. Use the ids of the right ones, and run again.`,
      ]),
]
