/**
 * Collects the columns of a report, row by row.
 */
import type { MachineActionId } from "@live-response/core/MachineAction"
import { linkLimits } from "@live-response/core/QuotaRule"
import * as ScriptFields from "@live-response/core/ScriptFields"
import * as Stack from "@live-response/core/Stack"
import * as Hex from "effect/encoding/Hex"
import * as Result from "effect/Result"
import type * as ActionsFileReader from "../../input/ActionsFileReader.ts"
import * as ResultRows from "../../input/ResultRows.ts"
import { type Machine, Machines, outcomeOf } from "./machineOutcomes.ts"
import { type HashOf, limits, Outputs, Texts } from "./collectedTexts.ts"
import { type Changes, type Field, kinds, type Payload, states, type Text } from "./payload.ts"

/** The fields of parsed outputs, by their names in lower case. */
class Fields {
  private readonly fields = new Map<string, Field & { rows: Array<number>; values: Array<Text> }>()
  private readonly left = new Set<string>()
  private count = 0
  private nextId = 0
  private readonly texts: Texts

  constructor(texts: Texts) {
    this.texts = texts
  }

  get shown() {
    return Array.from(this.fields.values())
  }

  get part() {
    return { shown: this.fields.size, of: this.fields.size + this.left.size }
  }

  /** A field has all of its values in the report, or none. */
  private drop(key: string): void {
    this.count -= this.fields.get(key)?.rows.length ?? 0
    if (this.fields.delete(key) || this.left.size < limits.counted) this.left.add(key)
  }

  private fieldOf(name: string) {
    const key = name.toLowerCase()
    if (this.left.has(key)) return undefined
    const known = this.fields.get(key)
    // Once no more fields are counted, a new one may be one that was left out before.
    const isFull = this.fields.size >= limits.fields || this.left.size >= limits.counted
    if (this.count >= limits.values || (known === undefined && isFull)) {
      this.drop(key)
      return undefined
    }
    if (known !== undefined) return known
    const field = { id: this.nextId++, name: this.texts.all[this.texts.addLine(name)] ?? name, rows: [], values: [] }
    this.fields.set(key, field)
    return field
  }

  /** The values that were added to each field since it had so many, by its id: at most so many of all. */
  added(since: ReadonlyMap<number, number>, most: number): Changes["fields"] {
    let left = most
    return this.shown.map(({ id, name, rows, values }) => {
      const from = since.get(id) ?? 0
      const to = Math.min(rows.length, from + left)
      left -= to - from
      return { id, name, from, rows: rows.slice(from, to), values: values.slice(from, to) }
    })
  }

  /** Whether a page that has so many values of each field, by its id, has all of them. */
  isComplete(has: ReadonlyMap<number, number>): boolean {
    return this.shown.every(({ id, rows }) => has.get(id) === rows.length)
  }

  add(row: number, records: ReadonlyArray<ScriptFields.Fields>): void {
    for (const fields of records) {
      for (const [name, values] of fields) {
        const field = this.fieldOf(name)
        if (field === undefined) continue
        for (const value of values) {
          field.rows.push(row)
          field.values.push(this.texts.addLine(value))
        }
        this.count += values.length
      }
    }
  }
}

const hashLength = 32

/** How many bytes are put into one piece of base64: a multiple of three, so that only the last piece is padded. */
const base64Length = 3 * 16 * 1_024

/** SHA-256 values one after another. */
class Hashes {
  private bytes = new Uint8Array(1024 * hashLength)
  private length = 0

  /** Sets that of a row. The rows before it have theirs. */
  set(row: number, sha256: string): void {
    const start = row * hashLength
    if (start + hashLength > this.bytes.length) {
      const grown = new Uint8Array(this.bytes.length * 2)
      grown.set(this.bytes)
      this.bytes = grown
    }
    const hash = Hex.decode(sha256)
    if (Result.isSuccess(hash) && hash.success.length === hashLength) this.bytes.set(hash.success, start)
    this.length = Math.max(this.length, start + hashLength)
  }

  /** All of them in pieces, so that the whole text is never in memory. */
  *base64(): Generator<string> {
    for (let at = 0; at < this.length; at += base64Length) {
      yield Buffer.from(this.bytes.buffer, at, Math.min(base64Length, this.length - at)).toString("base64")
    }
  }

  /** Those of some rows. */
  base64Of(rows: ReadonlyArray<number>): string {
    const some = rows.map((row) => this.bytes.subarray(row * hashLength, (row + 1) * hashLength))
    return Buffer.concat(some).toString("base64")
  }
}

/** What the handler knows besides the rows. */
export type About = Pick<Payload, "program" | "directory" | "written" | "base" | "damaged" | "unknownNames">

/** What the handler reads besides the rows. */
export type Read = Pick<About, "damaged" | "unknownNames">

export const quota: Payload["quota"] = [
  { name: "minute", window: 60_000, limit: linkLimits.perMinute },
  { name: "hour", window: 3_600_000, limit: linkLimits.perHour },
]

export class Collector {
  readonly machines = new Machines()
  private readonly texts: Texts
  private readonly outputs: Outputs
  private readonly fields: Fields
  private readonly sha256 = new Hashes()

  constructor(hashOf: HashOf) {
    this.texts = new Texts(hashOf)
    this.outputs = new Outputs(this.texts, hashOf)
    this.fields = new Fields(this.texts)
  }

  /** The hashes of the files, in pieces of base64. */
  get hashes(): Iterable<string> {
    return this.sha256.base64()
  }

  private readonly actions = columnsOf(
    "id",
    "machine",
    "status",
    "requestor",
    "comment",
    "created",
    "updated",
    "errors",
  )
  private readonly results = columnsOf(
    "machine",
    "actionId",
    "index",
    "kind",
    "source",
    "firstLine",
    "output",
    "outputCharacters",
    "errors",
    "errorsCharacters",
    "ending",
    "bytes",
    "at",
    "links",
    "problem",
  )
  /** The ids of machines, once they were added to the texts. */
  private readonly machineIds: Array<Text> = []
  private readonly actionNumbers = new Map<MachineActionId, number>()
  private readonly exitCode: Array<number | null> = []
  private readonly compared = { shown: 0, of: 0 }

  get count(): number {
    return this.exitCode.length
  }

  /** Adds a session, or replaces what is known of it. `isMoved` is whether that was of another machine. */
  addAction(action: ActionsFileReader.KnownAction): { number: number; machine: number; isMoved: boolean } {
    const { created = 0, updated = 0 } = action
    const { texts } = this
    const number = this.actionNumbers.get(action.id) ?? this.actionNumbers.size
    this.actionNumbers.set(action.id, number)
    const errors = action.commands.flatMap(({ errors }) => errors).join("\n")
    const machine = this.machines.addAction(action)
    const isMoved = (this.actions.machine[number] ?? machine) !== machine
    set(this.actions, number, {
      id: this.actions.id[number] ?? texts.append(action.id),
      machine,
      status: texts.add(action.status),
      requestor: texts.addLine(action.requestor),
      comment: texts.addLine(action.comment),
      created,
      updated,
      errors: texts.addShortened(errors, limits.output),
    })
    return { number, machine, isMoved }
  }

  /** Adds a result, or replaces the one of a row that has a problem. Returns the index of its machine. */
  addRow(row: ResultRows.ResultRow, number = this.count): number {
    const { texts } = this
    const isStored = "path" in row
    if (number < this.count) this.machines.removeProblem(this.machineOf(number), number)
    const machine = this.machines.addRow(row, number)
    set(this.results, number, {
      machine,
      actionId: this.actions.id[this.actionNumbers.get(row.machineActionId) ?? -1] ?? texts.add(row.machineActionId),
      index: row.index,
      kind: kinds.indexOf(row.kind),
      source: texts.addLine(row.source),
      ...this.scriptColumns(row, number),
      ending: texts.add(isStored ? row.path.slice(row.path.lastIndexOf(".") + 1) : ""),
      bytes: isStored ? row.bytes : 0,
      at: row.at ?? 0,
      links: row.links,
      problem: texts.addShortened("problem" in row ? row.problem : "", limits.output),
    })
    this.exitCode[number] = row.kind === "script" ? (row.script.exitCode ?? null) : null
    this.sha256.set(number, isStored ? row.sha256 : "")
    return machine
  }

  /** The index of the machine of a row. */
  machineOf(row: number): number {
    return this.results.machine[row] ?? -1
  }

  /** Whether a row has a problem, and so can be replaced. */
  hasProblem(row: number): boolean {
    return (this.results.kind[row] ?? 0) >= kinds.indexOf("unusable")
  }

  private scriptColumns(row: ResultRows.ResultRow, number: number) {
    if (row.kind !== "script") {
      return { firstLine: 0, output: -1, outputCharacters: 0, errors: 0, errorsCharacters: 0 }
    }
    const { script } = row
    const normalised = Stack.normalise(script.output, row.machineName)
    this.compared.of++
    if (!ResultRows.isTruncated(row)) this.compared.shown++
    this.fields.add(number, ScriptFields.parse(script.output)?.records ?? [])
    return {
      firstLine: this.texts.addLine(Stack.firstLine(script.output)),
      output: this.outputs.add(normalised),
      outputCharacters: script.outputLength,
      errors: this.texts.addShortened(Stack.normalise(script.errors, row.machineName), limits.output),
      errorsCharacters: script.errorsLength,
    }
  }

  private get parts(): Payload["parts"] {
    const { compared, fields, outputs } = this
    return {
      outputs: { shown: outputs.shown, of: outputs.start.length },
      fields: fields.part,
      compared,
    }
  }

  private machineColumns(machines: ReadonlyArray<Machine>): Payload["machines"] {
    const { texts } = this
    const outcomes = machines.map(outcomeOf)
    return {
      id: machines.map(({ id, number }) => (this.machineIds[number] ??= texts.append(id))),
      name: machines.map(({ id, name }) => texts.add(name || id)),
      state: outcomes.map(({ state }) => states.indexOf(state)),
      reason: outcomes.map(({ reason }) => texts.addLine(reason)),
    }
  }

  payload(about: About): Payload {
    const { fields, outputs, texts } = this
    return {
      version: 1,
      ...about,
      quota,
      fields: fields.shown,
      parts: this.parts,
      machines: this.machineColumns(this.machines.all),
      actions: this.actions,
      results: { ...this.results, exitCode: this.exitCode },
      outputs: { start: outputs.start, characters: outputs.characters },
      texts: texts.all,
    }
  }

  /** How many there are of what is only added to. */
  get lengths(): Pick<Has, "texts" | "outputs"> {
    return { texts: this.texts.all.length, outputs: this.outputs.start.length }
  }

  /** Adds the texts of some machines, which are otherwise added with their columns. */
  addTextsOf(machines: ReadonlyArray<number>): void {
    this.machinesAt(machines)
  }

  private machinesAt(numbers: ReadonlyArray<number>) {
    const all = this.machines.all
    return this.machineColumns(numbers.flatMap((number) => all[number] ?? []))
  }

  /** The end of the texts from a position on that have so many characters together, or of the first of them. */
  endOfTexts(from: number, characters: number): number {
    const { all } = this.texts
    let left = characters
    let end = from
    while (end < all.length && left > 0) left -= this.texts.lengthOf(end++)
    return end
  }

  /** The values that were added to fields since a page had so many: at most so many of all. */
  fieldsAdded(has: Has["fields"], most: number) {
    const fields = this.fields.added(has, most)
    const after = new Map(fields.map(({ from, id, rows }) => [id, from + rows.length]))
    return { fields, after, isComplete: this.fields.isComplete(after) }
  }

  /** Some of the data as a page gets it, and the hashes of its results. */
  part(has: Has, to: Pick<Has, "texts" | "outputs">, changed: Changed, about: Pick<About, "written"> & Read) {
    const { outputs, texts } = this
    const data: Omit<Changes, "fields" | "isComplete"> = {
      kind: "changes",
      version: 1,
      ...about,
      parts: this.parts,
      machines: { at: changed.machines, columns: this.machinesAt(changed.machines) },
      actions: { at: changed.actions, columns: pick(this.actions, changed.actions) },
      results: {
        at: changed.results,
        columns: {
          ...pick(this.results, changed.results),
          exitCode: changed.results.map((row) => this.exitCode[row] ?? null),
        },
      },
      outputs: {
        from: has.outputs,
        start: outputs.start.slice(has.outputs, to.outputs),
        characters: outputs.characters.slice(has.outputs, to.outputs),
      },
      texts: { from: has.texts, added: texts.all.slice(has.texts, to.texts) },
    }
    return { data, hashes: this.sha256.base64Of(changed.results) }
  }
}

/** How much a page has of what is only added to. */
export interface Has {
  readonly texts: number
  readonly outputs: number
  /** How many values of each field, by its id. */
  readonly fields: ReadonlyMap<number, number>
}

/** The numbers of what has changed. */
export interface Changed {
  readonly machines: ReadonlyArray<number>
  readonly actions: ReadonlyArray<number>
  readonly results: ReadonlyArray<number>
}

/** Columns of numbers, by their names. */
function columnsOf<Name extends string>(...names: ReadonlyArray<Name>): Record<Name, Array<number>>
function columnsOf(...names: ReadonlyArray<string>): Record<string, Array<number>> {
  return Object.fromEntries(names.map((name) => [name, []]))
}

const set = <Name extends string>(
  columns: Record<Name, Array<number>>,
  number: number,
  row: Record<Name, number>,
): void => {
  for (const name in row) columns[name][number] = row[name]
}

/** Some rows of columns. */
const pick = <Columns extends Readonly<Record<string, ReadonlyArray<number>>>>(
  columns: Columns,
  rows: ReadonlyArray<number>,
): Columns => {
  const picked = { ...columns }
  for (const name in columns) Object.assign(picked, { [name]: rows.map((row) => columns[name]?.[row] ?? 0) })
  return picked
}
