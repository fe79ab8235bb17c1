/** Inputs that are almost valid: those of a target's corpus with some mutations. */
import * as Samples from "../test/support/Samples.ts"

/** Texts with a meaning to parsers, terminals or spreadsheets. */
const hints = [
  '"',
  "\\",
  "\\u0000",
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
  ";",
  "\t",
  "\r",
  "\n",
  "\r\n",
  "'",
  "=",
  "+",
  "-",
  "@",
  "＝",
  "null",
  "1e308",
  "-0",
  "99999999999999999999",
  "0x10",
  "NaN",
  "..",
  "/",
  "%2f",
  "\u0000",
  "\u001b[2J",
  "\u001b]0;x\u0007",
  "\u009b31m",
  "\u202e",
  "\u2028",
  "\ufeff",
  "\ud800",
  "🙂",
  "{".repeat(200),
  "[".repeat(200),
  '"'.repeat(99),
  "a".repeat(5000),
].map((hint) => Buffer.from(hint))

/** Reads numbers from random bytes, each below a bound. */
const reader = (tape: Uint8Array) => {
  let at = 0
  return (bound: number): number => {
    const [high = 0, middle = 0, low = 0] = tape.subarray(at, at + 3)
    at = (at + 3) % (tape.length - 3)
    return Math.floor((bound * (high * 65_536 + middle * 256 + low)) / 16_777_216)
  }
}

type Mutation = (input: Buffer, roll: (bound: number) => number, corpus: ReadonlyArray<Uint8Array>) => Buffer

const replace = (input: Buffer, from: number, to: number, by: Uint8Array) =>
  Buffer.concat([input.subarray(0, from), by, input.subarray(to)])

const mutations: ReadonlyArray<Mutation> = [
  (input, roll) => {
    const copy = Buffer.from(input)
    if (copy.length > 0) copy[roll(copy.length)] = roll(256)
    return copy
  },
  (input, roll) => {
    const from = roll(input.length + 1)
    return replace(input, from, from + roll(input.length - from + 1), Buffer.alloc(0))
  },
  (input, roll) => {
    const from = roll(input.length + 1)
    const slice = input.subarray(from, from + roll(Math.min(200, input.length - from) + 1))
    return replace(input, from, from, Buffer.concat(Array.from({ length: 1 + roll(20) }, () => slice)))
  },
  (input, roll) => {
    const at = roll(input.length + 1)
    return replace(input, at, at + roll(3), hints[roll(hints.length)] ?? Buffer.alloc(0))
  },
  (input, roll, corpus) => {
    const other = corpus[roll(corpus.length)] ?? input
    return replace(input, roll(input.length + 1), input.length, other.subarray(roll(other.length + 1)))
  },
  (input, roll) => Buffer.from(input.toString("latin1"), roll(2) === 0 ? "utf16le" : "utf8"),
]

/** The largest input. Tests check what is slow for a long one. */
const longest = 64 * 1024

/** The input of an iteration, the same for the same seed. */
export const inputAt = (corpus: ReadonlyArray<Uint8Array>, seed: number, iteration: number): Uint8Array => {
  const roll = reader(Samples.noise(384, (seed * 1_000_003 + iteration) % 2 ** 32))
  let input: Buffer = Buffer.from(corpus[roll(corpus.length)] ?? [])
  for (let left = roll(6); left > 0; left--) {
    input = (mutations[roll(mutations.length)] ?? Buffer.from)(input, roll, corpus).subarray(0, longest)
  }
  return Uint8Array.from(input)
}

/** The input in chunks of one arbitrary size. */
export const piecesOf = (input: Uint8Array): ReadonlyArray<Uint8Array> => {
  const sum = input.reduce((sum, byte) => sum + byte, 0)
  const size = Math.max(1, Math.ceil(input.length / 64)) + (sum % Math.max(1, input.length))
  return Array.from({ length: Math.ceil(input.length / size) }, (_, n) => input.slice(n * size, (n + 1) * size))
}
