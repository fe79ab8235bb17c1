/**
 * A collected file of the sample data (gzip), generated while it is read: thousands are served without any in memory.
 */
import { crc32 } from "node:zlib"
import type { GeneratedContent } from "@live-response/core/testing/Simulator"
import * as Stream from "effect/Stream"

/** The bytes of the file in one block of the gzip. They are stored uncompressed, because they look random. */
const blockLength = 32_768
const blockHeadLength = 5
const headLength = 10
const tailLength = 8

/** Bytes that look random, and are the same in every run, so that a second run finds the result already present. */
const blockOf = (seed: number): Uint8Array => {
  const words = new Uint32Array(blockLength / 4)
  let state = seed + 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer)
}

/** The header of a gzip member (RFC 1952): deflate, without a name or a time. */
const head = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)

/** A stored block of deflate (RFC 1951). */
const storedBlock = (data: Uint8Array, isLast: boolean): Uint8Array => {
  const bytes = new Uint8Array(blockHeadLength + data.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, isLast ? 1 : 0)
  view.setUint16(1, data.length, true)
  view.setUint16(3, ~data.length & 0xffff, true)
  bytes.set(data, blockHeadLength)
  return bytes
}

const tailOf = (crc: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(tailLength)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, crc, true)
  view.setUint32(4, length % 2 ** 32, true)
  return bytes
}

/** The gzip of a file of this length, which repeats one block. */
export const make = (seed: number, length: number): GeneratedContent => {
  const blocks = Math.ceil(length / blockLength)
  const dataAt = (block: Uint8Array, n: number) => block.subarray(0, Math.min(blockLength, length - n * blockLength))

  const tail = () => {
    const block = blockOf(seed)
    let crc = 0
    for (let n = 0; n < blocks; n++) crc = crc32(dataAt(block, n), crc)
    return tailOf(crc, length)
  }

  /** The pieces with their offsets, starting with the piece that contains `start`. */
  function* piecesFrom(start: number): Generator<readonly [offset: number, piece: Uint8Array]> {
    const block = blockOf(seed)
    if (start < headLength) yield [0, head]
    const first = Math.max(0, Math.floor((start - headLength) / (blockHeadLength + blockLength)))
    for (let n = first; n < blocks; n++) {
      const offset = headLength + n * (blockHeadLength + blockLength)
      yield [offset, storedBlock(dataAt(block, n), n === blocks - 1)]
    }
    yield [headLength + blocks * blockHeadLength + length, tail()]
  }

  function* slices(start: number, end: number): Generator<Uint8Array> {
    for (const [offset, piece] of piecesFrom(start)) {
      if (offset >= end) return
      yield piece.subarray(Math.max(0, start - offset), end - offset)
    }
  }

  return {
    length: headLength + blocks * blockHeadLength + length + tailLength,
    read: (start, end) => Stream.fromIterable({ [Symbol.iterator]: () => slices(start, end) }, { chunkSize: 1 }),
  }
}
