/** Unpacks gzip files (RFC 1952) of any number of members in steps, and knows what is behind the last of them. */
import * as Result from "effect/Result"
import * as Inflate from "./inflate.ts"

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n
  for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

const addCrc = (crc: number, bytes: Uint8Array): number => {
  let sum = ~crc
  for (let i = 0; i < bytes.length; i++) sum = (crcTable[(sum ^ (bytes[i] ?? 0)) & 255] ?? 0) ^ (sum >>> 8)
  return ~sum
}

const uint32 = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)

const headLength = 10
const tooShort = "it ends too early"

const isGzip = (start: Uint8Array): boolean => start[0] === 0x1f && start[1] === 0x8b && start[2] === 8

/** Behind a text that a zero ends. */
function* skipText(source: Inflate.Source): Inflate.Steps<void> {
  do yield* Inflate.until(source, 1)
  while ((source.read(1)[0] ?? 0) !== 0)
}

/** What a header has behind its first ten bytes. */
function* skipHead(source: Inflate.Source, flags: number): Inflate.Steps<void> {
  if (flags & 4) {
    yield* Inflate.until(source, 2)
    const [low = 0, high = 0] = source.read(2)
    yield* Inflate.until(source, low + high * 256)
    source.read(low + high * 256)
  }
  if (flags & 8) yield* skipText(source)
  if (flags & 16) yield* skipText(source)
  if (flags & 2) {
    yield* Inflate.until(source, 2)
    source.read(2)
  }
}

/** One member, behind the first ten bytes of its header. */
function* member(source: Inflate.Source, flags: number): Inflate.Steps<string | undefined> {
  yield* skipHead(source, flags)
  let [crc, length] = [0, 0]
  const steps = Inflate.inflate(source)
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) {
    if (step.value !== undefined) {
      crc = addCrc(crc, step.value)
      length += step.value.length
    }
    yield step.value
  }
  if (step.value !== undefined) return step.value
  yield* Inflate.until(source, 8)
  const trailer = source.read(8)
  if (trailer.length < 8) return tooShort
  const isRight = uint32(trailer) === crc >>> 0 && uint32(trailer.subarray(4)) === length % 2 ** 32
  return isRight ? undefined : "what comes out of it is not what its checksum says"
}

/** Reads padding, and gives the first byte behind it its place back. */
function* skipPadding(source: Inflate.Source): Inflate.Steps<void> {
  yield* Inflate.until(source, 1)
  while (source.peek(1)[0] === 0) {
    source.read(1)
    yield* Inflate.until(source, 1)
  }
  yield* Inflate.until(source, headLength)
}

/** How much is left, to the end. */
function* countRest(source: Inflate.Source): Inflate.Steps<number> {
  let count = 0
  while (true) {
    count += source.read(source.length).length
    if (source.isLast) return count
    yield undefined
  }
}

/**
 * All members. It gives how many bytes there are behind the last one that are neither another one nor padding, or says
 * what is wrong.
 */
export function* members(source: Inflate.Source): Inflate.Steps<Result.Result<number, string>> {
  yield* Inflate.until(source, headLength)
  if (!isGzip(source.peek(headLength))) return Result.fail("it is not gzip")
  while (isGzip(source.peek(headLength))) {
    const problem = yield* member(source, source.read(headLength)[3] ?? 0)
    if (problem !== undefined) return Result.fail(problem)
    yield* skipPadding(source)
  }
  return Result.succeed(yield* countRest(source))
}

/** The same where it begins as gzip does; what does not comes as it is. */
export function* membersOrPlain(source: Inflate.Source): Inflate.Steps<Result.Result<number, string>> {
  yield* Inflate.until(source, 3)
  if (isGzip(source.peek(3))) return yield* members(source)
  while (true) {
    yield source.read(source.length)
    if (source.isLast) return Result.succeed(0)
    yield undefined
  }
}
