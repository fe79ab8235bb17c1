import * as BlockHash from "./blockHash.ts"

const initial = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]
const constants = Uint32Array.from({ length: 64 }, (_, i) => Math.abs(Math.sin(i + 1)) * 2 ** 32)
const rotations = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
].flatMap((round) => [...round, ...round, ...round, ...round])

const compress = (state: Uint32Array, block: DataView, offset: number): void => {
  let a = state[0] ?? 0
  let b = state[1] ?? 0
  let c = state[2] ?? 0
  let d = state[3] ?? 0
  for (let i = 0; i < 64; i++) {
    let f: number
    let word: number
    if (i < 16) {
      f = (b & c) | (~b & d)
      word = i
    } else if (i < 32) {
      f = (d & b) | (~d & c)
      word = (5 * i + 1) % 16
    } else if (i < 48) {
      f = b ^ c ^ d
      word = (3 * i + 5) % 16
    } else {
      f = c ^ (b | ~d)
      word = (7 * i) % 16
    }
    const sum = (a + f + (constants[i] ?? 0) + block.getUint32(offset + word * 4, true)) | 0
    const by = rotations[i] ?? 0
    a = d
    d = c
    c = b
    b = (b + ((sum << by) | (sum >>> (32 - by)))) | 0
  }
  state[0] = (state[0] ?? 0) + a
  state[1] = (state[1] ?? 0) + b
  state[2] = (state[2] ?? 0) + c
  state[3] = (state[3] ?? 0) + d
}

/** MD5 (RFC 1321), in pieces. It detects transfer errors, because the storage announces it; it is not a protection. */
export const make = () => BlockHash.make({ initial, littleEndian: true, compress })
