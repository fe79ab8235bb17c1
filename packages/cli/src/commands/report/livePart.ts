/**
 * The data of a live page in parts of a bounded size, so that memory does not grow with the results and the first of them are seen
 * at once. A page sends back the cursor of its last part, so the collector remembers nothing of any page.
 *
 * A row of a table refers to texts and outputs, and a result to its machine. So the next of a list is sent only when the page has
 * all of those before it: texts, outputs, machines, sessions, results, values of fields.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type About, type Read, type Collector, quota } from "./collector.ts"
import type { Changes } from "./payload.ts"

/** By the number of each, the version of the contents in which it last changed. */
export class Stamps {
  private readonly versions: Array<number> = []

  set(number: number, version: number): void {
    // A list with holes is slower.
    while (this.versions.length < number) this.versions.push(0)
    this.versions[number] = version
  }

  /** From a number on, those that have changed after a version: at most so many. `next` is where the rest starts. */
  after(version: number, from: number, most: number) {
    const numbers: Array<number> = []
    let next = from
    for (; next < this.versions.length && numbers.length < most; next++) {
      if ((this.versions[next] ?? 0) > version) numbers.push(next)
    }
    return { numbers, next, isComplete: next === this.versions.length }
  }
}

/** What parts are made of. */
export interface Source {
  /** A page that has parts of other contents starts again. */
  readonly id: string
  readonly collector: Collector
  readonly stamps: { readonly machines: Stamps; readonly actions: Stamps; readonly results: Stamps }
  readonly damaged: Read["damaged"]
  readonly unknownNames: Read["unknownNames"]
  /** Whether all of the directory was read, and nothing has changed since what was read. */
  readonly isCurrent: boolean
  /** Starts a version, which is that of all that changes from now on, and returns the one before it. */
  readonly startVersion: () => number
}

/** A search that starts below 0 would not end, so anybody who reaches the page could stop the collector. */
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const Cursor = Schema.fromJsonString(
  Schema.Struct({
    id: Schema.String,
    /** The page has all that had changed in this version. */
    version: Count,
    /** The version in which it started to get what has changed since, unless it has all of that. */
    round: Schema.NullOr(Count),
    /** How far it has come with that. */
    machines: Count,
    actions: Count,
    results: Count,
    texts: Count,
    outputs: Count,
    /** How many values of each field it has, by its id. */
    fields: Schema.Array(Schema.Tuple([Count, Count])),
  }),
)

type Cursor = typeof Cursor.Type

const decode = Schema.decodeUnknownOption(Cursor)
const encode = Schema.encodeSync(Cursor)

const newRound = { round: null, machines: 0, actions: 0, results: 0 }

const nothing: Omit<Cursor, "id"> = { ...newRound, version: 0, texts: 0, outputs: 0, fields: [] }

/** Whether the page that sends this cursor lacks some of what was there when it got its last part. */
export const isBehind = (sent: string): boolean => Option.exists(decode(sent), ({ round }) => round !== null)

/** What a part has at most. */
interface Most {
  readonly characters: number
  readonly outputs: number
  readonly machines: number
  readonly actions: number
  readonly results: number
  /** Values of all fields. */
  readonly values: number
}

/** Some 2 MB of JSON. */
export const most: Most = {
  characters: 1_000_000,
  outputs: 20_000,
  machines: 10_000,
  actions: 5_000,
  results: 5_000,
  values: 50_000,
}

/** Data for a page. */
export interface Part {
  /** What the page sends when it wants more. */
  readonly cursor: string
  /** The SHA-256 of the results in the data, in base64. */
  readonly hashes: string
  readonly data: Changes
}

/** The next part for a page that sends this cursor. */
export const next = (source: Source, sent: string, about: Omit<About, keyof Read>, most: Most): Part => {
  const { collector, damaged, id, stamps, unknownNames } = source
  const known = Option.getOrUndefined(Option.filter(decode(sent), (cursor) => cursor.id === id))
  const cursor = known ?? nothing
  const round = cursor.round ?? source.startVersion()
  const has = { texts: cursor.texts, outputs: cursor.outputs, fields: new Map(cursor.fields) }

  // Why a machine has no results is a text that may be new.
  collector.addTextsOf(stamps.machines.after(cursor.version, cursor.machines, most.machines).numbers)
  const { lengths } = collector
  let isComplete = true
  /** How many of the next list are sent: none if the page lacks some of the list before it. */
  const upTo = (count: number) => (isComplete ? count : 0)
  const texts = collector.endOfTexts(cursor.texts, most.characters)
  isComplete &&= texts === lengths.texts
  const outputs = Math.min(lengths.outputs, cursor.outputs + upTo(most.outputs))
  isComplete &&= outputs === lengths.outputs
  const changed = (table: "machines" | "actions" | "results") => {
    const rows = stamps[table].after(cursor.version, cursor[table], upTo(most[table]))
    isComplete &&= rows.isComplete
    return rows
  }
  const [machines, actions, results] = [changed("machines"), changed("actions"), changed("results")]
  const fields = collector.fieldsAdded(has.fields, upTo(most.values))
  isComplete &&= fields.isComplete

  const rows = { machines: machines.numbers, actions: actions.numbers, results: results.numbers }
  const { data, hashes } = collector.part(has, { texts, outputs }, rows, {
    written: about.written,
    damaged,
    unknownNames,
  })
  const position = isComplete
    ? { ...newRound, version: round }
    : { version: cursor.version, round, machines: machines.next, actions: actions.next, results: results.next }
  const { base, directory, program } = about
  return {
    cursor: encode({ id, ...position, texts, outputs, fields: Array.from(fields.after) }),
    hashes,
    data: {
      ...data,
      ...(known === undefined ? { about: { base, directory, program, quota } } : {}),
      isComplete: isComplete && source.isCurrent,
      fields: fields.fields,
    },
  }
}
