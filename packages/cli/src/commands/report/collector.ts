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
import * as Format from "../../output/Format.ts"
import { type Machine, Machines, outcomeOf } from "./machineOutcomes.ts"
import { type Changes, kinds, type Payload, states, type Text } from "./payload.ts"

/** What a report has at most. Beyond it, the report says how much of it there is. */
const limits = {
  /** Characters of one output. */
  output: 2_000,
  /** Characters of all outputs. */
  outputs: 8_000_000,
  /** Characters of a first line, of a reason, and of a field's value. */
  line: 160,
  /** Fields by which outputs can be stacked, and their values in all. */
  fields: 50,
  values: 500_000,
  /** Fields that are counted although they are not in the report. */
  counted: 10_000,
} as const

/** Shortens a text without splitting a surrogate pair. */
const shorten = (text: string, limit: number): string => {
  if (text.length <= limit) return text
  const end = /[\uD800-\uDBFF]/.test(text[limit - 1] ?? "") ? limit - 1 : limit
  return text.slice(0, end)
}

/** Makes a key of a text that is not in the report, so that it needs no memory. */
export type HashOf = (text: string) => string

/** In hexadecimal digits: how much of a hash is shown. */
const shownDigits = 12

/** Texts, each once. */
class Texts {
  readonly all: Array<string> = [""]
  private readonly indexes = new Map([["", 0]])
  /** Of texts that are shortened, by the hash of the whole. */
  private readonly byHash = new Map<string, number>()
  private readonly hashOf: HashOf

  constructor(hashOf: HashOf) {
    this.hashOf = hashOf
  }

  add(text: string): Text {
    const known = this.indexes.get(text)
    if (known !== undefined) return known
    const index = this.all.push(text) - 1
    this.indexes.set(text, index)
    return index
  }

  /** Adds a part of a long text as a copy: otherwise it keeps the whole of it in memory, such as a first line all of an output. */
  addPart(part: string): Text {
    return this.indexes.get(part) ?? this.add(String(JSON.parse(JSON.stringify(part))))
  }

  /**
   * Adds a text of which at most `limit` characters are shown. Texts that differ have different indexes, wherever they differ: the
   * report groups by them.
   */
  addShortened(text: string, limit: number): Text {
    if (text.length <= limit) return this.addPart(text)
    const hash = this.hashOf(text)
    const known = this.byHash.get(hash)
    if (known !== undefined) return known
    const rest = `… (${Format.count(text.length)} characters, SHA-256 ${hash.slice(0, shownDigits)}…)`
    const index = this.all.push(String(JSON.parse(JSON.stringify(shorten(text, limit - rest.length) + rest)))) - 1
    this.byHash.set(hash, index)
    return index
  }

  /** Adds a text that is shown in one line. */
  addLine(text: string): Text {
    return this.addShortened(text, limits.line)
  }

  /** The index of a text, or -1. */
  find(text: string): Text {
    return this.indexes.get(text) ?? -1
  }

  lengthOf(text: Text): number {
    return this.all[text]?.length ?? 0
  }
}

/** Normalised outputs, each once. */
class Outputs {
  readonly start: Array<Text> = []
  readonly characters: Array<number> = []
  shown = 0
  private left: number = limits.outputs
  /** By the output itself if all of it is in the report, else by its hash. */
  private readonly byText = new Map<Text, number>()
  private readonly byHash = new Map<string, number>()
  private readonly texts: Texts
  private readonly hashOf: HashOf

  constructor(texts: Texts, hashOf: HashOf) {
    this.texts = texts
    this.hashOf = hashOf
  }

  private append(output: string, start: Text): number {
    if (start !== 0 || output === "") this.shown++
    this.left -= this.texts.lengthOf(start)
    this.characters.push(output.length)
    return this.start.push(start) - 1
  }

  add(output: string): number {
    const known = this.byText.get(this.texts.find(output))
    if (known !== undefined) return known
    // What does not fit now does not fit later, so an output is never in both maps.
    if (output.length <= limits.output && output.length <= this.left) {
      const text = this.texts.add(output)
      const index = this.append(output, text)
      this.byText.set(text, index)
      return index
    }
    return this.addByHash(output, this.hashOf(output))
  }

  private addByHash(output: string, hash: string): number {
    const known = this.byHash.get(hash)
    if (known !== undefined) return known
    const start = shorten(output, limits.output)
    const index = this.append(output, start.length <= this.left ? this.texts.addPart(start) : 0)
    this.byHash.set(hash, index)
    return index
  }
}

/** The fields of parsed outputs, by their names in lower case. */
class Fields {
  private readonly fields = new Map<string, { name: string; rows: Array<number>; values: Array<Text> }>()
  private readonly left = new Set<string>()
  private count = 0
  /** How many fields were in the report and are not any more. */
  dropped = 0
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
    if (this.fields.delete(key)) this.dropped++
    if (this.left.size < limits.counted) this.left.add(key)
  }

  private fieldOf(name: string) {
    const key = name.toLowerCase()
    if (this.left.has(key)) return undefined
    const known = this.fields.get(key)
    if (this.count >= limits.values || (known === undefined && this.fields.size >= limits.fields)) {
      this.drop(key)
      return undefined
    }
    if (known !== undefined) return known
    const field = { name: this.texts.all[this.texts.addLine(name)] ?? name, rows: [], values: [] }
    this.fields.set(key, field)
    return field
  }

  /** Of a row on, the values of each field in the report: they are in the order in which they were added. */
  added(isAdded: (row: number) => boolean): ReadonlyArray<{ name: string; rows: Array<number>; values: Array<Text> }> {
    return this.shown.map(({ name, rows, values }) => {
      let from = rows.length
      while (from > 0 && isAdded(rows[from - 1] ?? 0)) from--
      return { name, rows: rows.slice(from), values: values.slice(from) }
    })
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

  get base64(): string {
    return Buffer.from(this.bytes.buffer, 0, this.length).toString("base64")
  }

  /** Those of some rows. */
  base64Of(rows: ReadonlyArray<number>): string {
    const some = rows.map((row) => this.bytes.subarray(row * hashLength, (row + 1) * hashLength))
    return Buffer.concat(some).toString("base64")
  }
}

/** What the handler knows besides the rows. */
export type About = Pick<Payload, "program" | "directory" | "written" | "base" | "damaged">

const quota: Payload["quota"] = [
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

  /** The hashes of the files, in base64. */
  get hashes(): string {
    return this.sha256.base64
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
      id: texts.add(action.id),
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
      actionId: texts.add(row.machineActionId),
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

  /** How many fields were in the report and are not any more. */
  get droppedFields(): number {
    return this.fields.dropped
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
      id: machines.map(({ id }) => texts.add(id)),
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

  /** How many texts and outputs there are: each is only added to. */
  get lengths(): Lengths {
    return { texts: this.texts.all.length, outputs: this.outputs.start.length }
  }

  /** What was added and replaced since there were so many texts and outputs, and the hashes of the changed results. */
  changes(since: Lengths, changed: Changed, about: Pick<About, "written" | "damaged">) {
    const { fields, outputs, texts } = this
    const all = this.machines.all
    const machines = this.machineColumns(changed.machines.flatMap((index) => all[index] ?? []))
    const rows = new Set(changed.results)
    const data: Changes = {
      kind: "changes",
      version: 1,
      ...about,
      parts: this.parts,
      fields: fields.added((row) => rows.has(row)),
      machines: { at: changed.machines, columns: machines },
      actions: { at: changed.actions, columns: pick(this.actions, changed.actions) },
      results: {
        at: changed.results,
        columns: {
          ...pick(this.results, changed.results),
          exitCode: changed.results.map((row) => this.exitCode[row] ?? null),
        },
      },
      outputs: {
        from: since.outputs,
        start: outputs.start.slice(since.outputs),
        characters: outputs.characters.slice(since.outputs),
      },
      texts: { from: since.texts, added: texts.all.slice(since.texts) },
    }
    return { data, hashes: this.sha256.base64Of(changed.results) }
  }
}

export interface Lengths {
  readonly texts: number
  readonly outputs: number
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
