/**
 * An index by the id of a machine action and the index of a command: for each a small number, and a position in a file. A
 * million of them take some 35 MB, where a `Map` of objects takes hundreds.
 */
import { fourDigits } from "./jsonForm.ts"

/** How many entries a segment has. An array that grows would be copied, and be in memory twice meanwhile. */
const segmentLength = 1 << 15

interface Segment {
  /** The GUID, in four words. */
  readonly ids: Uint32Array
  /** The index of the command, and what is known of the result. */
  readonly states: Uint16Array
  readonly offsets: Float64Array
}

const makeSegment = (): Segment => ({
  ids: new Uint32Array(segmentLength * 4),
  states: new Uint16Array(segmentLength),
  offsets: new Float64Array(segmentLength),
})

const empty: Segment = { ids: new Uint32Array(), states: new Uint16Array(), offsets: new Float64Array() }

/** Of a state, the lower bits are the index of the command, which has three digits. */
const indexBits = 10
const indexMask = (1 << indexBits) - 1

export class ResultIndex {
  private readonly segments: Array<Segment> = []
  private readonly seed: number
  /** By the hash of its key, the number of an entry, counted from 1. At most half of it is used. */
  private table = new Uint32Array(1 << 10)
  private length = 0
  /** The key that is searched. */
  private readonly key = new Uint32Array(4)

  /** Keys that were chosen by somebody who does not know the seed do not collide. */
  constructor(seed: number) {
    this.seed = seed
  }

  /**
   * Sets what is known of a result, from 0 to 63. `id` is where its GUID starts in the bytes, in lower case. Returns the number
   * of its entry: a result keeps it.
   */
  set(bytes: Uint8Array, id: number, index: number, state: number, offset: number): number {
    this.readKey(bytes, id)
    const slot = this.slot(index)
    const known = this.table[slot] ?? 0
    const entry = known === 0 ? this.length : known - 1
    if (known === 0) this.add(slot, index)
    const segment = this.segmentOf(entry)
    const inSegment = entry % segmentLength
    for (let i = 0; i < 4; i++) segment.ids[inSegment * 4 + i] = this.key[i] ?? 0
    segment.states[inSegment] = (state << indexBits) | index
    segment.offsets[inSegment] = offset
    return entry
  }

  /** The number of the entry of a result, or -1. `id` is where its GUID starts in the bytes. */
  find(bytes: Uint8Array, id: number, index: number): number {
    this.readKey(bytes, id)
    return (this.table[this.slot(index)] ?? 0) - 1
  }

  stateOf(entry: number): number {
    return (this.segmentOf(entry).states[entry % segmentLength] ?? 0) >> indexBits
  }

  offsetOf(entry: number): number {
    return this.segmentOf(entry).offsets[entry % segmentLength] ?? -1
  }

  /** The results with this state, in the order in which they were first set. */
  *withState(state: number): Generator<{ readonly machineActionId: string; readonly index: number }> {
    for (let entry = 0; entry < this.length; entry++) {
      if (this.stateOf(entry) === state) yield { machineActionId: this.idOf(entry), index: this.indexOf(entry) }
    }
  }

  private indexOf(entry: number): number {
    return (this.segmentOf(entry).states[entry % segmentLength] ?? 0) & indexMask
  }

  private idOf(entry: number): string {
    const { ids } = this.segmentOf(entry)
    const start = (entry % segmentLength) * 4
    const hex = Array.from(ids.subarray(start, start + 4), (word) => word.toString(16).padStart(8, "0")).join("")
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
  }

  private segmentOf(entry: number): Segment {
    return this.segments[(entry / segmentLength) | 0] ?? empty
  }

  /** Adds an entry, and doubles the table where it is half full. */
  private add(slot: number, index: number): void {
    if (this.length % segmentLength === 0) this.segments.push(makeSegment())
    this.table[slot] = ++this.length
    if (this.length * 2 < this.table.length) return
    const key = this.key.slice()
    this.table = new Uint32Array(this.table.length * 2)
    for (let entry = 0; entry < this.length - 1; entry++) {
      const { ids } = this.segmentOf(entry)
      const start = (entry % segmentLength) * 4
      for (let i = 0; i < 4; i++) this.key[i] = ids[start + i] ?? 0
      this.table[this.freeSlot(this.indexOf(entry))] = entry + 1
    }
    this.key.set(key)
    this.table[this.freeSlot(index)] = this.length
  }

  /** Where a key goes that the table does not have. */
  private freeSlot(index: number): number {
    const mask = this.table.length - 1
    let slot = this.hash(index) & mask
    while (this.table[slot] !== 0) slot = (slot + 1) & mask
    return slot
  }

  /** The words of the GUID whose 36 characters start there. */
  private readKey(bytes: Uint8Array, start: number): void {
    const { key } = this
    key[0] = (fourDigits(bytes, start) << 16) | fourDigits(bytes, start + 4)
    key[1] = (fourDigits(bytes, start + 9) << 16) | fourDigits(bytes, start + 14)
    key[2] = (fourDigits(bytes, start + 19) << 16) | fourDigits(bytes, start + 24)
    key[3] = (fourDigits(bytes, start + 28) << 16) | fourDigits(bytes, start + 32)
  }

  /** Where the key is in the table, or where it goes. */
  private slot(index: number): number {
    const mask = this.table.length - 1
    let slot = this.hash(index) & mask
    for (;;) {
      const number = this.table[slot] ?? 0
      if (number === 0 || this.isKey(number - 1, index)) return slot
      slot = (slot + 1) & mask
    }
  }

  private isKey(entry: number, index: number): boolean {
    const { ids } = this.segmentOf(entry)
    const start = (entry % segmentLength) * 4
    for (let i = 0; i < 4; i++) if (ids[start + i] !== this.key[i]) return false
    return this.indexOf(entry) === index
  }

  private hash(index: number): number {
    let hash = this.seed ^ index
    for (let i = 0; i < 4; i++) {
      hash = Math.imul(hash ^ (this.key[i] ?? 0), 0x9e3779b1)
      hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
      hash ^= hash >>> 13
    }
    return hash >>> 0
  }
}
