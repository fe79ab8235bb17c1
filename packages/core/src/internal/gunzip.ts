/** Unpacks gzip files (RFC 1952) with any number of members in steps, and counts the bytes after the last member. */
import * as Result from "effect/Result"
import { addCrc } from "./crc32.ts"
import * as Inflate from "./inflate.ts"

const uint32 = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)

/** The length of the fixed part of a member's header. */
const headerLength = 10

/** The bits of the header's flags that announce optional fields. */
const flag = { headerCrc: 2, extra: 4, name: 8, comment: 16 }

const isGzip = (start: Uint8Array): boolean => start[0] === 0x1f && start[1] === 0x8b && start[2] === 8

/** Skips a text that ends with a zero. */
function* skipText(source: Inflate.Source): Inflate.Steps<void> {
  do yield* Inflate.need(source, 1)
  while ((source.read(1)[0] ?? 0) !== 0)
}

/** Skips the optional fields of a header. */
function* skipFields(source: Inflate.Source, flags: number): Inflate.Steps<void> {
  if (flags & flag.extra) {
    yield* Inflate.need(source, 2)
    const [low = 0, high = 0] = source.read(2)
    yield* Inflate.need(source, low + high * 256)
    source.read(low + high * 256)
  }
  if (flags & flag.name) yield* skipText(source)
  if (flags & flag.comment) yield* skipText(source)
  if (flags & flag.headerCrc) {
    yield* Inflate.need(source, 2)
    source.read(2)
  }
}

/** Unpacks a member after the fixed part of its header. Returns what is wrong with it. */
function* member(source: Inflate.Source, flags: number): Inflate.Steps<string | undefined> {
  yield* skipFields(source, flags)
  const unpacked = { crc: 0, length: 0 }
  const steps = Inflate.inflate(source)
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) {
    if (step.value !== undefined) {
      unpacked.crc = addCrc(unpacked.crc, step.value)
      unpacked.length += step.value.length
    }
    yield step.value
  }
  if (step.value !== undefined) return step.value
  yield* Inflate.need(source, 8)
  const trailer = source.read(8)
  if (trailer.length < 8) return Inflate.truncated
  const matches = uint32(trailer) === unpacked.crc >>> 0 && uint32(trailer.subarray(4)) === unpacked.length % 2 ** 32
  return matches ? undefined : "its content does not match its checksum"
}

/** Skips the zeros after a member. */
function* skipPadding(source: Inflate.Source): Inflate.Steps<void> {
  yield* Inflate.need(source, 1)
  while (source.peek(1)[0] === 0) {
    source.read(1)
    yield* Inflate.need(source, 1)
  }
  yield* Inflate.need(source, headerLength)
}

/** Counts the bytes up to the end of the input. */
function* countRest(source: Inflate.Source): Inflate.Steps<number> {
  let count = 0
  while (true) {
    count += source.read(source.length).length
    if (source.isLast) return count
    yield undefined
  }
}

/**
 * Unpacks all members. Succeeds with the number of bytes after the last member that are neither padding nor another
 * member; fails with what is wrong.
 */
export function* members(source: Inflate.Source): Inflate.Steps<Result.Result<number, string>> {
  yield* Inflate.need(source, headerLength)
  if (!isGzip(source.peek(headerLength))) return Result.fail("it is not gzip")
  while (isGzip(source.peek(headerLength))) {
    const problem = yield* member(source, source.read(headerLength)[3] ?? 0)
    if (problem !== undefined) return Result.fail(problem)
    yield* skipPadding(source)
  }
  return Result.succeed(yield* countRest(source))
}

/** As `members` if the input starts with a gzip header. Any other input passes unchanged. */
export function* membersOrPlain(source: Inflate.Source): Inflate.Steps<Result.Result<number, string>> {
  yield* Inflate.need(source, 3)
  if (isGzip(source.peek(3))) return yield* members(source)
  while (true) {
    yield source.read(source.length)
    if (source.isLast) return Result.succeed(0)
    yield undefined
  }
}
