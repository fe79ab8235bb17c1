/** The archives that Defender puts files into: gzip for a collected file, zip for an investigation package. Nothing is compressed. */
import * as Bytes from "effect/Bytes"
import { addCrc } from "../crc32.ts"

const uint16 = (...values: ReadonlyArray<number>) => Uint8Array.from(values.flatMap((n) => [n & 255, (n >> 8) & 255]))

const uint32 = (...values: ReadonlyArray<number>) => uint16(...values.flatMap((n) => [n & 0xffff, n >>> 16]))

const longestBlock = 0xffff

/** Blocks of deflate (RFC 1951) that store their bytes as they are. The last one may be empty. */
const storedBlocks = (content: Uint8Array): ReadonlyArray<Uint8Array> => {
  const blocks: Array<Uint8Array> = []
  for (let at = 0; blocks.length === 0 || at < content.length; at += longestBlock) {
    const block = content.subarray(at, at + longestBlock)
    const isLast = at + longestBlock >= content.length
    blocks.push(Uint8Array.of(isLast ? 1 : 0), uint16(block.length, ~block.length & 0xffff), block)
  }
  return blocks
}

/** Latin-1, as RFC 1952 has names. */
const latin1 = (text: string) => Uint8Array.from(text, (character) => Math.min(character.charCodeAt(0), 0xff))

/** A gzip (RFC 1952) of a file, with its name. */
export const gzip = (name: string, content: Uint8Array): Uint8Array =>
  Bytes.concat([
    Uint8Array.of(0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255),
    latin1(name),
    Uint8Array.of(0),
    ...storedBlocks(content),
    uint32(addCrc(0, content), content.length),
  ])

/** A zip (PKWARE's APPNOTE) with one file. */
export const zip = (name: string, content: Uint8Array): Uint8Array => {
  const path = new TextEncoder().encode(name)
  // Version 2.0, name in UTF-8, stored, 1980-01-01, checksum, length twice, length of the name, no extra field.
  const fields = Bytes.concat([
    uint16(20, 0x0800, 0, 0, 0x0021),
    uint32(addCrc(0, content), content.length, content.length),
    uint16(path.length, 0),
  ])
  const file = Bytes.concat([uint32(0x04034b50), fields, path, content])
  const entry = Bytes.concat([uint32(0x02014b50), uint16(20), fields, uint16(0, 0, 0), uint32(0, 0), path])
  return Bytes.concat([
    file,
    entry,
    uint32(0x06054b50),
    uint16(0, 0, 1, 1),
    uint32(entry.length, file.length),
    uint16(0),
  ])
}
