/**
 * Inflates DEFLATE data (RFC 1951) in steps. `DecompressionStream` does not report where the data ends, and runtimes differ
 * in what they do with bytes after the end: Node emits the data and then fails, Deno only fails, and Bun reads further
 * members but fails for padding.
 */
import * as Bytes from "effect/Bytes"

/** A canonical Huffman code. */
interface Huffman {
  /**
   * Indexed by the next `tableBits` bits of input: `symbol * 16 + length` of the code, or 0 if the code is longer than
   * `tableBits`.
   */
  readonly table: Uint16Array
  /** How many codes have each length. */
  readonly counts: Uint16Array
  /** The symbols, in the order of their codes. */
  readonly symbols: Uint16Array
}

const tableBits = 10
const longestCode = 15

/** DEFLATE stores the bits of a code in reverse order. */
const reversed = (code: number, length: number): number => {
  let result = 0
  for (let i = 0; i < length; i++) result |= ((code >> i) & 1) << (length - 1 - i)
  return result
}

/** Builds the code from the length of each symbol's code. `undefined` if there are more codes than the lengths allow. */
const makeHuffman = (lengths: Uint8Array): Huffman | undefined => {
  const counts = new Uint16Array(longestCode + 1)
  for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1
  counts[0] = 0
  const offsets = new Uint16Array(longestCode + 2)
  const codes = new Uint16Array(longestCode + 2)
  let left = 1
  for (let length = 1; length <= longestCode; length++) {
    const count = counts[length] ?? 0
    left = left * 2 - count
    if (left < 0) return undefined
    offsets[length + 1] = (offsets[length] ?? 0) + count
    codes[length + 1] = ((codes[length] ?? 0) + count) << 1
  }
  const symbols = new Uint16Array(lengths.length)
  const table = new Uint16Array(1 << tableBits)
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol] ?? 0
    if (length === 0) continue
    const offset = offsets[length] ?? 0
    offsets[length] = offset + 1
    symbols[offset] = symbol
    const code = codes[length] ?? 0
    codes[length] = code + 1
    if (length > tableBits) continue
    for (let i = reversed(code, length); i < table.length; i += 1 << length) table[i] = symbol * 16 + length
  }
  return { table, counts, symbols }
}

/** The codes of a block that does not define its own. */
const fixedCodes = (() => {
  const lengths = new Uint8Array(288).fill(8).fill(9, 144, 256).fill(7, 256, 280)
  return { literals: makeHuffman(lengths), distances: makeHuffman(new Uint8Array(30).fill(5)) }
})()

const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
]
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
]
const distanceExtra = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13]
const codeOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

const at = (table: ArrayLike<number>, i: number): number => table[i] ?? 0

/** Packed bytes as they arrive, read by bits or by bytes. Reading bits past the end returns zeros. */
export class Source {
  /** Whether all input was pushed. */
  isLast = false
  private bytes = new Uint8Array()
  /** The position in `bytes` of the next byte that is not in `bits`. */
  private next = 0
  private bits = 0
  /** How many bits `bits` holds. */
  private count = 0

  /** How many bytes are available. */
  get length(): number {
    return this.bytes.length - this.next
  }

  /** Whether more was read than was pushed. */
  get isOverrun(): boolean {
    return this.next - (this.count >> 3) > this.bytes.length
  }

  push(bytes: Uint8Array): void {
    this.unread()
    this.bytes = Bytes.concat([this.bytes.subarray(this.next), bytes])
    this.next = 0
  }

  /** Whether this many bytes are available, or all input was pushed. */
  has(length: number): boolean {
    return this.isLast || this.length >= length
  }

  /** Returns whole bytes from the bit buffer to the input. */
  private unread(): void {
    this.next -= this.count >> 3
    this.count &= 7
    this.bits &= (1 << this.count) - 1
  }

  private fill(count: number): void {
    while (this.count < count) {
      this.bits |= at(this.bytes, this.next++) << this.count
      this.count += 8
    }
  }

  /** Reads this many bits, the first one lowest. */
  takeBits(count: number): number {
    this.fill(count)
    const value = this.bits & ((1 << count) - 1)
    this.bits >>>= count
    this.count -= count
    return value
  }

  /** Reads a code and returns its symbol, or -1 if no code matches. */
  takeSymbol({ counts, symbols, table }: Huffman): number {
    this.fill(longestCode)
    const entry = at(table, this.bits & ((1 << tableBits) - 1))
    if (entry !== 0) {
      this.bits >>>= entry & 15
      this.count -= entry & 15
      return entry >> 4
    }
    let code = 0
    let first = 0
    let index = 0
    for (let length = 1; length <= longestCode; length++) {
      code |= (this.bits >> (length - 1)) & 1
      const count = at(counts, length)
      if (code - count < first) {
        this.bits >>>= length
        this.count -= length
        return at(symbols, index + (code - first))
      }
      index += count
      first = (first + count) << 1
      code <<= 1
    }
    return -1
  }

  /** Skips to the next whole byte. */
  align(): void {
    this.takeBits(this.count & 7)
    this.unread()
  }

  /** Returns at most this many bytes without consuming them. */
  peek(length: number): Uint8Array {
    return this.bytes.subarray(this.next, this.next + length)
  }

  /** Reads at most this many bytes, as a view of what was pushed. */
  read(length: number): Uint8Array {
    const taken = this.peek(length)
    this.next += taken.length
    return taken
  }
}

const windowLength = 32_768
const pieceLength = 65_536
const longestCopy = 258

/** The inflated bytes that were not emitted yet, and the window before them that copies refer to. */
class Output {
  private readonly bytes = new Uint8Array(windowLength + pieceLength + longestCopy)
  private end = 0
  /** Up to here the bytes were emitted. */
  private emitted = 0

  get isFull(): boolean {
    return this.end - this.emitted >= pieceLength
  }

  put(byte: number): void {
    this.bytes[this.end++] = byte
  }

  /** How many more bytes fit. */
  get space(): number {
    return this.bytes.length - this.end
  }

  append(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.end)
    this.end += bytes.length
  }

  /** Copies bytes from `distance` before the end. Returns false if the distance is larger than the window. */
  copy(length: number, distance: number): boolean {
    if (distance > this.end) return false
    const { bytes, end } = this
    // Runs of one byte are common in large files, and `fill` is faster.
    if (distance === 1) bytes.fill(at(bytes, end - 1), end, end + length)
    else for (let i = end; i < end + length; i++) bytes[i] = at(bytes, i - distance)
    this.end = end + length
    return true
  }

  /** Returns a copy of the bytes since the last call. */
  take(): Uint8Array {
    const piece = this.bytes.slice(this.emitted, this.end)
    const windowStart = Math.max(0, this.end - windowLength)
    this.bytes.copyWithin(0, windowStart, this.end)
    this.end -= windowStart
    this.emitted = this.end
    return piece
  }
}

/** Yields inflated pieces, or `undefined` to ask for more input in the source. */
export type Steps<A> = Generator<Uint8Array | undefined, A>

/** Asks for input until this many bytes are available. */
export function* need(source: Source, length: number): Steps<void> {
  while (!source.has(length)) yield undefined
}

/** Why data can't be inflated. */
const invalidData = "its compressed data is invalid"
export const truncated = "it is truncated"

/** Inflates symbols until the block ends, or until more input or space is needed. */
const inflateSymbols = (
  source: Source,
  output: Output,
  literals: Huffman,
  distances: Huffman,
): "more" | "end" | typeof invalidData | typeof truncated => {
  while (source.has(8) && !output.isFull) {
    const symbol = source.takeSymbol(literals)
    if (source.isOverrun) return truncated
    if (symbol < 0 || symbol > 285) return invalidData
    if (symbol === 256) return "end"
    if (symbol < 256) {
      output.put(symbol)
      continue
    }
    const length = at(lengthBase, symbol - 257) + source.takeBits(at(lengthExtra, symbol - 257))
    const code = source.takeSymbol(distances)
    if (code < 0 || code > 29) return invalidData
    const distance = at(distanceBase, code) + source.takeBits(at(distanceExtra, code))
    if (!output.copy(length, distance)) return invalidData
  }
  return "more"
}

/** Copies a block that is not compressed. Returns what is wrong with it. */
function* storedBlock(source: Source, output: Output): Steps<string | undefined> {
  source.align()
  yield* need(source, 4)
  const header = source.read(4)
  let left = at(header, 0) | (at(header, 1) << 8)
  if (header.length < 4) return truncated
  if ((left ^ (at(header, 2) | (at(header, 3) << 8))) !== 0xffff) return invalidData
  while (left > 0) {
    if (output.isFull) yield output.take()
    yield* need(source, 1)
    const bytes = source.read(Math.min(left, output.space))
    if (bytes.length === 0) return truncated
    output.append(bytes)
    left -= bytes.length
  }
  return undefined
}

/** Reads the codes that a block defines. */
const readCodes = (source: Source) => {
  const [literalCount, distanceCount, count] = [
    source.takeBits(5) + 257,
    source.takeBits(5) + 1,
    source.takeBits(4) + 4,
  ]
  const codeLengths = new Uint8Array(19)
  for (let i = 0; i < count; i++) codeLengths[at(codeOrder, i)] = source.takeBits(3)
  const code = makeHuffman(codeLengths)
  if (code === undefined) return undefined
  const lengths = new Uint8Array(literalCount + distanceCount)
  for (let i = 0; i < lengths.length;) {
    const symbol = source.takeSymbol(code)
    if (symbol < 0) return undefined
    if (symbol < 16) {
      lengths[i++] = symbol
      continue
    }
    if (symbol === 16 && i === 0) return undefined
    const value = symbol === 16 ? at(lengths, i - 1) : 0
    const times =
      symbol === 16 ? 3 + source.takeBits(2) : symbol === 17 ? 3 + source.takeBits(3) : 11 + source.takeBits(7)
    if (i + times > lengths.length) return undefined
    lengths.fill(value, i, i + times)
    i += times
  }
  return {
    literals: makeHuffman(lengths.subarray(0, literalCount)),
    distances: makeHuffman(lengths.subarray(literalCount)),
  }
}

/** The codes that a block defines are never longer than this, in bytes. */
const longestCodes = 600

/** Inflates a compressed block. Returns what is wrong with it. */
function* compressedBlock(
  source: Source,
  output: Output,
  codes: ReturnType<typeof readCodes>,
): Steps<string | undefined> {
  if (codes?.literals === undefined || codes.distances === undefined) return invalidData
  while (true) {
    const result = inflateSymbols(source, output, codes.literals, codes.distances)
    if (result === "end") return undefined
    if (result !== "more") return result
    if (output.isFull) yield output.take()
    yield* need(source, 8)
  }
}

/** Inflates up to the end of the data, and reads no further. Returns what is wrong with the data. */
export function* inflate(source: Source): Steps<string | undefined> {
  const output = new Output()
  let isLast = false
  while (!isLast) {
    yield* need(source, longestCodes)
    isLast = source.takeBits(1) === 1
    const type = source.takeBits(2)
    const problem =
      type === 0
        ? yield* storedBlock(source, output)
        : type === 3
          ? invalidData
          : yield* compressedBlock(source, output, type === 1 ? fixedCodes : readCodes(source))
    if (problem !== undefined) {
      yield output.take()
      return problem
    }
  }
  source.align()
  yield output.take()
  return source.isOverrun ? truncated : undefined
}
