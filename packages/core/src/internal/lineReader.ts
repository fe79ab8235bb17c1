/**
 * Cuts the bytes of a file into lines. A line ends in a line feed, in a carriage return, or in both. A line that is cut by the
 * end of a block is joined, and only the beginning of a very long one is read.
 */
import * as Bytes from "effect/Bytes"

/** A line without its end. `bytes` has more than the line, and is used again after the call that gave it. */
export interface Line {
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
  /** The position of the line in the file. */
  readonly offset: number
  /** Its number, from 1, among those that were read. */
  readonly number: number
  /** Whether it is the last one and ends with the file: a crash may have torn it. */
  readonly isOpen: boolean
}

/** No character of a line has more bytes: one of four bytes is two characters of a string. */
export const bytesPerCharacter = 3

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** What takes lines as bytes, before any of them is decoded. */
export interface Skim {
  /**
   * Returns the position after the line that starts at `at`, or -1 where the line must be decoded. `offset` is its position in
   * the file.
   */
  readonly match: (bytes: Uint8Array, at: number, offset: number) => number
  /** Takes the line that was matched last, with the same arguments. */
  readonly take: (bytes: Uint8Array, at: number, offset: number) => void
  /**
   * Whether the line from `at` to `end` is passed over, because its beginning or its end says enough. It is called once for each
   * line that is not taken, so that it may note the line.
   */
  readonly skips?: (bytes: Uint8Array, at: number, offset: number, end: number) => boolean
}

export class LineReader {
  private readonly longest: number
  private readonly skim: Skim | undefined
  /** The beginning of a line that the blocks so far did not end. */
  private readonly pieces: Array<Uint8Array> = []
  private copied = 0
  private number = 0
  /** The position of the block in the file, and of the line that is read. */
  private blockStart: number
  private lineStart: number
  /** Whether the unfinished line ends in a carriage return, which a line feed may follow. */
  private isAfterReturn = false

  /** Of a line, `longest` bytes are read. Lines that `skim` takes are not given. `start` is the position of the first block. */
  constructor(longest: number, skim: Skim | undefined, start = 0) {
    this.longest = longest
    this.skim = skim
    this.blockStart = start
    this.lineStart = start
  }

  /** Gives the lines that end in this block. */
  *read(block: Uint8Array): Generator<Line> {
    let at = 0
    if (this.isAfterReturn && block.length > 0) {
      yield* this.line(block, 0, 0, false)
      this.isAfterReturn = false
      at = block[0] === lineFeed ? 1 : 0
      this.startLine(at)
    }
    let nextReturn = block.indexOf(carriageReturn)
    while (at < block.length) {
      if (this.copied === 0) {
        const next = this.skimmed(block, at)
        if (next > at) {
          this.startLine(next)
          at = next
          continue
        }
      }
      if (nextReturn >= 0 && nextReturn < at) nextReturn = block.indexOf(carriageReturn, at)
      const feed = block.indexOf(lineFeed, at)
      const end = nextReturn >= 0 && (feed < 0 || nextReturn < feed) ? nextReturn : feed
      this.isAfterReturn = end >= 0 && end === nextReturn && end === block.length - 1
      if (end < 0 || this.isAfterReturn) break
      if (this.copied === 0 && this.skips(block, at, end)) this.number++
      else yield* this.line(block, at, end, false)
      at = end === nextReturn && block[end + 1] === lineFeed ? end + 2 : end + 1
      this.startLine(at)
    }
    this.copy(this.isAfterReturn ? block.subarray(0, -1) : block, at)
    this.blockStart += block.length
  }

  /** Gives the last line, if the file does not end in a line feed. */
  *end(): Generator<Line> {
    if (this.copied > 0) yield* this.line(new Uint8Array(), 0, 0, true)
  }

  /** The position of the line after the one that starts there, or -1 where that is not taken. */
  private skimmed(block: Uint8Array, at: number): number {
    const end = this.skim?.match(block, at, this.lineStart) ?? -1
    if (end < 0 || block[end] !== lineFeed) return -1
    this.skim?.take(block, at, this.lineStart)
    this.number++
    return end + 1
  }

  private skips(bytes: Uint8Array, at: number, end: number): boolean {
    return this.skim?.skips?.(bytes, at, this.lineStart, end) === true
  }

  private startLine(at: number): void {
    this.lineStart = this.blockStart + at
  }

  private *line(block: Uint8Array, from: number, to: number, isOpen: boolean): Generator<Line> {
    const number = ++this.number
    const offset = this.lineStart
    if (this.copied === 0)
      return yield { bytes: block, from, to: Math.min(to, from + this.longest), offset, number, isOpen }
    this.copy(block.subarray(0, to), from)
    const bytes = Bytes.concat(this.pieces)
    this.pieces.length = 0
    this.copied = 0
    if (this.skips(bytes, 0, bytes.length)) return
    if (this.skim?.match(bytes, 0, offset) === bytes.length) return this.skim.take(bytes, 0, offset)
    yield { bytes, from: 0, to: bytes.length, offset, number, isOpen }
  }

  /** Copies the beginning of a line that does not end in this block. */
  private copy(block: Uint8Array, from: number): void {
    const piece = block.slice(from, from + this.longest - this.copied)
    if (piece.length === 0) return
    this.pieces.push(piece)
    this.copied += piece.length
  }
}
