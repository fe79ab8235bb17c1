/**
 * The data of the report as the page uses it.
 */
import { Texts } from "./columnTypes.ts"
import * as Changed from "./changed.ts"
import {
  type Changes,
  failedIn,
  kinds,
  type Kind,
  type Payload,
  type State,
  states,
} from "../src/commands/report/payload.ts"

const isOfVersion = (value: unknown): value is { readonly version: 1 } =>
  typeof value === "object" && value !== null && "version" in value && value.version === 1

const isPayload = (value: unknown): value is Payload => isOfVersion(value)

const isChanges = (value: unknown): value is Changes =>
  isOfVersion(value) && "kind" in value && value.kind === "changes"

/** Browsers of before 2025 lack `Uint8Array.fromBase64`. */
export const fromBase64 = (text: string): Uint8Array<ArrayBuffer> => {
  if (typeof Uint8Array.fromBase64 === "function") return Uint8Array.fromBase64(text)
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}

/** The bytes in an element, which is removed: its text is as large as they are. */
const readBytes = (id: string): Uint8Array<ArrayBuffer> => {
  const element = document.getElementById(id)
  const bytes = fromBase64(element?.textContent ?? "")
  element?.remove()
  return bytes
}

const modelOf = (payload: unknown, hashes: Uint8Array): Model => {
  if (!isPayload(payload)) throw new Error("its data is of another version")
  return new Model(payload, hashes)
}

/** Reads the data that is in the page. */
export const readEmbedded = (): Promise<Model> => {
  const bytes = readBytes("data")
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))
  return new Response(unpacked).json().then((payload: unknown) => modelOf(payload, readBytes("hashes")))
}

/** What a live page has of its data, and the cursor by which the collector knows that. */
export interface Snapshot {
  readonly cursor: string
  /** Whether it is all that the collector has. */
  readonly isComplete: boolean
  readonly model: Model
}

/** Adds a part of the data of a live page: the cursor and the hashes, each in a line, and the rest. */
export const readLive = (text: string, before: Snapshot | undefined): Snapshot => {
  const [cursorEnd, hashesEnd] = [text.indexOf("\n"), text.indexOf("\n", text.indexOf("\n") + 1)]
  const cursor = text.slice(0, cursorEnd)
  const hashes = fromBase64(text.slice(cursorEnd + 1, hashesEnd))
  const data: unknown = JSON.parse(text.slice(hashesEnd + 1))
  const model = isChanges(data) ? Model.changed(before?.model, data, hashes) : undefined
  if (!isChanges(data) || model === undefined) throw new Error("its data is of another version")
  return { cursor, isComplete: data.isComplete, model }
}

const hashLength = 32

/** A number for each different hash of the results in `rows`, and by that number a result that has it. */
interface HashIds {
  readonly rows: Int32Array
  readonly ids: Int32Array
  readonly examples: ReadonlyArray<number>
}

export class Model {
  readonly payload: Payload
  private readonly hashes: Uint8Array
  private hashIds: HashIds | undefined
  readonly texts: Texts

  constructor(payload: Payload, hashes: Uint8Array) {
    this.payload = payload
    this.texts = new Texts(payload.texts)
    this.hashes = hashes
  }

  /** The model with a part of what has changed, or the start of one. `hashes` are those of the results in that part. */
  static changed(before: Model | undefined, changes: Changes, hashes: Uint8Array): Model | undefined {
    const payload = Changed.payload(before?.payload, changes)
    if (payload === undefined) return undefined
    const all = new Uint8Array(payload.results.machine.length * hashLength)
    if (before !== undefined && changes.about === undefined) all.set(before.hashes)
    changes.results.at.forEach((row, i) =>
      all.set(hashes.subarray(i * hashLength, (i + 1) * hashLength), row * hashLength),
    )
    return new Model(payload, all)
  }

  get results() {
    return this.payload.results
  }

  /** The number of rows. */
  get count(): number {
    return this.payload.results.machine.length
  }

  /** How many of them are of downloads that failed. */
  get failed(): number {
    return failedIn(this.results)
  }

  text(index: number | undefined): string {
    return this.payload.texts[index ?? 0] ?? ""
  }

  machineName(machine: number): string {
    return this.text(this.payload.machines.name[machine])
  }

  machineId(machine: number): string {
    return this.text(this.payload.machines.id[machine])
  }

  /** What a machine is known by in every report: its id, or without one its name. */
  machineKey(machine: number): string {
    return this.machineId(machine) || `name ${this.machineName(machine)}`
  }

  /** The address of a machine's page. */
  machineAddress(machine: number): string {
    return `#machine/${encodeURIComponent(this.machineKey(machine).toWellFormed())}`
  }

  /** The machine whose page has an address, or -1. */
  machineAt(address: string): number {
    if (!address.startsWith("#machine/")) return -1
    return this.payload.machines.id.findIndex((_, machine) => this.machineAddress(machine) === address)
  }

  state(machine: number): State {
    return states[this.payload.machines.state[machine] ?? 0] ?? "results"
  }

  reason(machine: number): string {
    return this.text(this.payload.machines.reason[machine])
  }

  machineOf(row: number): number {
    return this.results.machine[row] ?? 0
  }

  kind(row: number): Kind {
    return kinds[this.results.kind[row] ?? 0] ?? "script"
  }

  /** The name of a result, which it has in every model. */
  target(row: number): string {
    return `${this.text(this.results.actionId[row])}:${this.results.index[row]}`
  }

  targetsOf(rows: Int32Array): ReadonlySet<string> {
    return new Set(Array.from(rows, (row) => this.target(row)))
  }

  /** Where the file of a result is, relative to the directory of results. Empty if it has none. */
  path(row: number): string {
    const ending = this.text(this.results.ending[row])
    return ending === "" ? "" : `${this.text(this.results.actionId[row])}/${this.results.index[row]}.${ending}`
  }

  sha256(row: number): string {
    if (this.path(row) === "") return ""
    let hex = ""
    for (const byte of this.hashes.subarray(row * hashLength, (row + 1) * hashLength)) {
      hex += byte.toString(16).padStart(2, "0")
    }
    return hex
  }

  /** The first 48 bits of the hash of a result as a number: they order nearly all. */
  sha256Start(row: number): number {
    let start = 0
    for (let i = row * hashLength; i < row * hashLength + 6; i++) start = start * 256 + (this.hashes[i] ?? 0)
    return start
  }

  /** Numbers the different hashes of some results, which the last caller may ask again. */
  sha256Ids(rows: Int32Array): HashIds {
    if (this.hashIds?.rows === rows) return this.hashIds
    const ids = new Int32Array(rows.length)
    const examples: Array<number> = []
    const byStart = new Map<number, Array<number>>()
    rows.forEach((row, i) => {
      const start = this.sha256Start(row)
      const known = byStart.get(start)
      // Somebody may have made files whose hashes start alike.
      const id = known?.find((each) => this.hasSameHash(examples[each] ?? 0, row)) ?? examples.length
      ids[i] = id
      if (id < examples.length) return
      examples.push(row)
      if (known === undefined) byStart.set(start, [id])
      else known.push(id)
    })
    return (this.hashIds = { rows, ids, examples })
  }

  private hasSameHash(a: number, b: number): boolean {
    for (let i = 0; i < hashLength; i++) {
      if (this.hashes[a * hashLength + i] !== this.hashes[b * hashLength + i]) return false
    }
    return true
  }

  /** The beginning of the normalised output of a result, and how long all of it is. */
  output(row: number): { readonly start: string; readonly characters: number } | undefined {
    const output = this.results.output[row] ?? -1
    if (output < 0) return undefined
    const { characters, start } = this.payload.outputs
    return { start: this.text(start[output]), characters: characters[output] ?? 0 }
  }

  /** The rows of a machine. */
  rowsOf(machine: number): ReadonlyArray<number> {
    const rows: Array<number> = []
    this.results.machine.forEach((other, row) => {
      if (other === machine) rows.push(row)
    })
    return rows
  }
}
