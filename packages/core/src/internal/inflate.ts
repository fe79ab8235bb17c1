/**
 * Inflates DEFLATE data (RFC 1951) in steps. The web's own `DecompressionStream` does not say where the data ends, and what
 * it does with bytes behind the end differs: Node gives what came before and fails, Deno fails alone, and Bun takes
 * further members and fails for padding.
 */

/** Code lengths, for each length how many codes have it, and the symbols in the order of their codes. */
interface Huffman {
  /** For the next `tableBits` bits: the symbol and the length of its code, as `symbol * 16 + length`; 0 if it is longer. */
  readonly table: Uint16Array
  readonly counts: Uint16Array
  readonly symbols: Uint16Array
}

const tableBits = 10
const longestCode = 15

const reversed = (code: number, length: number): number => {
  let result = 0
  for (let i = 0; i < length; i++) result |= ((code >> i) & 1) << (length - 1 - i)
  return result
}

/** `undefined` where more codes are given than there can be. */
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

const fixed = (() => {
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

/** Packed bytes as they come: read by bits, or by bytes. Behind the end of all of them come zeros. */
export class Source {
  isLast = false
  private bytes = new Uint8Array()
  private next = 0
  private bits = 0
  private count = 0

  /** How many bytes are here that were not looked at. */
  get length(): number {
    return this.bytes.length - this.next
  }

  /** Whether more was read than there is. */
  get isOverrun(): boolean {
    return this.next - (this.count >> 3) > this.bytes.length
  }

  push(bytes: Uint8Array): void {
    this.unread()
    const rest = this.bytes.subarray(this.next)
    const joined = new Uint8Array(rest.length + bytes.length)
    joined.set(rest)
    joined.set(bytes, rest.length)
    this.bytes = joined
    this.next = 0
  }

  /** Whether so many bytes can be read, or no more will come. */
  has(length: number): boolean {
    return this.isLast || this.length >= length
  }

  /** Gives whole bytes back that were taken for their bits. */
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

  take(count: number): number {
    this.fill(count)
    const value = this.bits & ((1 << count) - 1)
    this.bits >>>= count
    this.count -= count
    return value
  }

  /** The symbol of the next code, or -1 where there is none. */
  symbol({ counts, symbols, table }: Huffman): number {
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

  /** To the next whole byte. */
  align(): void {
    this.take(this.count & 7)
    this.unread()
  }

  /** So many bytes at most, which stay. */
  peek(length: number): Uint8Array {
    return this.bytes.subarray(this.next, this.next + length)
  }

  /** So many bytes at most. They are a view of what was pushed. */
  read(length: number): Uint8Array {
    const taken = this.peek(length)
    this.next += taken.length
    return taken
  }
}

const windowLength = 32_768
const pieceLength = 65_536
const longestCopy = 258

/** What came out, of which later data repeats parts. */
class Output {
  private readonly bytes = new Uint8Array(windowLength + pieceLength + longestCopy)
  private end = 0
  private given = 0

  get isFull(): boolean {
    return this.end - this.given >= pieceLength
  }

  put(byte: number): void {
    this.bytes[this.end++] = byte
  }

  /** How much more fits. */
  get space(): number {
    return this.bytes.length - this.end
  }

  append(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.end)
    this.end += bytes.length
  }

  /** Repeats what came a distance ago; false where nothing came that long ago. */
  repeat(length: number, distance: number): boolean {
    if (distance > this.end) return false
    const { bytes, end } = this
    // Long runs of one byte are what large files have most of.
    if (distance === 1) bytes.fill(at(bytes, end - 1), end, end + length)
    else for (let i = end; i < end + length; i++) bytes[i] = at(bytes, i - distance)
    this.end = end + length
    return true
  }

  /** A copy of what came since the last time. */
  take(): Uint8Array {
    const piece = this.bytes.slice(this.given, this.end)
    const from = Math.max(0, this.end - windowLength)
    this.bytes.copyWithin(0, from, this.end)
    this.end -= from
    this.given = this.end
    return piece
  }
}

/** A piece that came out; `undefined` asks for more to be pushed into the source. */
export type Steps<A> = Generator<Uint8Array | undefined, A>

export function* until(source: Source, length: number): Steps<void> {
  while (!source.has(length)) yield undefined
}

const wrong = "it has codes that mean nothing"
const tooShort = "it ends too early"

/** As many symbols as there is input and space for. */
const inflateSymbols = (
  source: Source,
  output: Output,
  literals: Huffman,
  distances: Huffman,
): "more" | "end" | typeof wrong | typeof tooShort => {
  while (source.has(8) && !output.isFull) {
    const symbol = source.symbol(literals)
    if (source.isOverrun) return tooShort
    if (symbol < 0 || symbol > 285) return wrong
    if (symbol === 256) return "end"
    if (symbol < 256) {
      output.put(symbol)
      continue
    }
    const length = at(lengthBase, symbol - 257) + source.take(at(lengthExtra, symbol - 257))
    const code = source.symbol(distances)
    if (code < 0 || code > 29) return wrong
    const distance = at(distanceBase, code) + source.take(at(distanceExtra, code))
    if (!output.repeat(length, distance)) return wrong
  }
  return "more"
}

function* stored(source: Source, output: Output): Steps<string | undefined> {
  source.align()
  yield* until(source, 4)
  const head = source.read(4)
  let left = at(head, 0) | (at(head, 1) << 8)
  if (head.length < 4) return tooShort
  if ((left ^ (at(head, 2) | (at(head, 3) << 8))) !== 0xffff) return wrong
  while (left > 0) {
    if (output.isFull) yield output.take()
    yield* until(source, 1)
    const bytes = source.read(Math.min(left, output.space))
    if (bytes.length === 0) return tooShort
    output.append(bytes)
    left -= bytes.length
  }
  return undefined
}

/** The codes that a block has of its own. */
const readCodes = (source: Source) => {
  const [literalCount, distanceCount, count] = [source.take(5) + 257, source.take(5) + 1, source.take(4) + 4]
  const ofLengths = new Uint8Array(19)
  for (let i = 0; i < count; i++) ofLengths[at(codeOrder, i)] = source.take(3)
  const code = makeHuffman(ofLengths)
  if (code === undefined) return undefined
  const lengths = new Uint8Array(literalCount + distanceCount)
  for (let i = 0; i < lengths.length;) {
    const symbol = source.symbol(code)
    if (symbol < 0) return undefined
    if (symbol < 16) {
      lengths[i++] = symbol
      continue
    }
    if (symbol === 16 && i === 0) return undefined
    const value = symbol === 16 ? at(lengths, i - 1) : 0
    const times = symbol === 16 ? 3 + source.take(2) : symbol === 17 ? 3 + source.take(3) : 11 + source.take(7)
    if (i + times > lengths.length) return undefined
    lengths.fill(value, i, i + times)
    i += times
  }
  return {
    literals: makeHuffman(lengths.subarray(0, literalCount)),
    distances: makeHuffman(lengths.subarray(literalCount)),
  }
}

/** No block has codes of more bytes than this. */
const longestCodes = 600

function* compressed(source: Source, output: Output, codes: ReturnType<typeof readCodes>): Steps<string | undefined> {
  if (codes?.literals === undefined || codes.distances === undefined) return wrong
  while (true) {
    const result = inflateSymbols(source, output, codes.literals, codes.distances)
    if (result === "end") return undefined
    if (result !== "more") return result
    if (output.isFull) yield output.take()
    yield* until(source, 8)
  }
}

/** Inflates to the end of the data, and no further; or says what is wrong with them. */
export function* inflate(source: Source): Steps<string | undefined> {
  const output = new Output()
  let isLast = false
  while (!isLast) {
    yield* until(source, longestCodes)
    isLast = source.take(1) === 1
    const type = source.take(2)
    const problem =
      type === 0
        ? yield* stored(source, output)
        : type === 3
          ? wrong
          : yield* compressed(source, output, type === 1 ? fixed : readCodes(source))
    if (problem !== undefined) {
      yield output.take()
      return problem
    }
  }
  source.align()
  yield output.take()
  return source.isOverrun ? tooShort : undefined
}
