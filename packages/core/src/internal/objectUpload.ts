/** Reads the content of an upload in blocks, each of which is in memory while it is sent, so that a retry needs no second read. */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type Algorithm, type Hash, Hasher } from "../Hasher.ts"
import type { Content, Info } from "../ObjectStore.ts"
import type { ObjectStoreError } from "../ObjectStoreError.ts"
import type { Client, Request } from "./objectRequest.ts"

const MiB = 1024 * 1024

/** In MiB: what all uploads of a store may have in memory together, so that it does not grow with their number. */
const budget = 64

/** How many blocks of one upload are sent at once. One more is read meanwhile. */
const blocksAtOnce = 3

export interface Limits {
  /** In bytes. A content of at most this many is sent with one request. */
  readonly blockSize: number
  readonly mostBlocks: number
}

export interface Block {
  readonly index: number
  readonly bytes: Uint8Array
}

/** All of what was read. The hashes are those of the whole, in hexadecimal digits and in Base64. */
export interface Whole {
  readonly bytes: number
  readonly sha256: string
  readonly md5: string
}

/** Fails if what was read is not what was announced. */
export type Check = (
  path: string,
  content: Pick<Content, "bytes" | "sha256">,
  found: Info,
) => Effect.Effect<void, ObjectStoreError>

/** The size of the blocks of a content: larger only where there would be too many of them. */
const blockSizeOf = ({ blockSize, mostBlocks }: Limits, bytes: number): number =>
  Math.max(blockSize, Math.ceil(bytes / mostBlocks / MiB) * MiB)

/** Fills blocks of a size one after another. The last one may be shorter. */
class Cutter {
  private readonly size: number
  private readonly sha256: Hash
  private readonly md5: Hash
  private block: Uint8Array | undefined
  private readonly sent: Array<Uint8Array> = []
  private filled = 0
  private index = 0
  private bytes = 0
  private readonly expected: number

  constructor(size: number, expected: number, startHash: (algorithm: Algorithm) => Hash) {
    this.size = size
    this.expected = expected
    this.sha256 = startHash("SHA-256")
    this.md5 = startHash("MD5")
  }

  /** The blocks that are full with these bytes. */
  cut(chunk: Uint8Array): ReadonlyArray<Block> {
    this.sha256.update(chunk)
    this.md5.update(chunk)
    const full: Array<Block> = []
    for (let rest = chunk; rest.length > 0;) {
      this.block ??= this.sent.pop() ?? this.allocate(rest.length)
      const fitting = rest.subarray(0, this.block.length - this.filled)
      this.block.set(fitting, this.filled)
      this.filled += fitting.length
      this.bytes += fitting.length
      rest = rest.subarray(fitting.length)
      if (this.filled === this.block.length) full.push(...this.rest())
    }
    return full
  }

  private allocate(least: number): Uint8Array {
    return new Uint8Array(Math.min(this.size, Math.max(this.expected - this.bytes, least)))
  }

  /** Uses the memory of a block again that was sent: the collector of garbage is slower than a fast network. */
  reuse({ bytes }: Block): void {
    if (bytes.length === this.size) this.sent.push(bytes)
  }

  /** What is left of the last block. */
  rest(): ReadonlyArray<Block> {
    if (this.block === undefined) return []
    const block = { index: this.index++, bytes: this.block.subarray(0, this.filled) }
    this.block = undefined
    this.filled = 0
    return [block]
  }

  whole(): Whole {
    return { bytes: this.bytes, sha256: Hex.encode(this.sha256.digest()), md5: Base64.encode(this.md5.digest()) }
  }
}

const isTooLong = (content: Content<unknown, unknown>) => {
  let bytes = 0
  return (chunk: Uint8Array) => {
    bytes += chunk.length
    return bytes - chunk.length > content.bytes
  }
}

/** The blocks of a content. What is more than it announced is read by one chunk at most, and so found in `whole`. */
const blocksOf = <E, R>(content: Content<E, R>, cutter: Cutter): Stream.Stream<Block, E, R> =>
  Stream.takeUntil(content.stream, isTooLong(content)).pipe(
    Stream.flatMap((chunk) => Stream.fromIterable(cutter.cut(chunk))),
    Stream.concat(Stream.suspend(() => Stream.fromIterable(cutter.rest()))),
  )

export interface Uploads {
  /** Reads a content that one request can send. */
  readonly whole: <A, E, R, E2, R2>(
    content: Content<E, R>,
    use: (bytes: Uint8Array, whole: Whole) => Effect.Effect<A, E2, R2>,
  ) => Effect.Effect<A, E | E2, R | R2>

  /** Sends the blocks of a content, several at once. Returns what `send` returned, in their order. */
  readonly blocks: <A, E, R, E2, R2>(
    content: Content<E, R>,
    send: (block: Block) => Effect.Effect<A, E2, R2>,
  ) => Effect.Effect<{ readonly sent: ReadonlyArray<A>; readonly whole: Whole }, E | E2, R | R2>
}

/** What creates the objects of a store. */
export interface Creator {
  readonly client: Client
  readonly requestOf: (path: string) => Omit<Request, "method">
  readonly check: Check
  readonly uploads: Uploads
  readonly startHash: (algorithm: Algorithm) => Hash
}

export const make = Effect.fnUntraced(function* (limits: Limits): Effect.fn.Return<Uploads> {
  const startHash = yield* Hasher
  const memory = yield* Semaphore.make(budget)
  const reserving = (bytes: number) => memory.withPermits(Math.min(budget, Math.max(1, Math.ceil(bytes / MiB))))
  return {
    whole: (content, use) =>
      Effect.gen(function* () {
        const cutter = new Cutter(limits.blockSize + 1, content.bytes, startHash)
        const blocks = yield* Stream.runCollect(blocksOf(content, cutter))
        return yield* use(blocks[0]?.bytes ?? new Uint8Array(), cutter.whole())
      }).pipe(reserving(content.bytes)),
    blocks: (content, send) =>
      Effect.gen(function* () {
        const cutter = new Cutter(blockSizeOf(limits, content.bytes), content.bytes, startHash)
        const sent = yield* blocksOf(content, cutter).pipe(
          Stream.mapEffect((block) => Effect.tap(send(block), () => Effect.sync(() => cutter.reuse(block))), {
            concurrency: blocksAtOnce,
          }),
          Stream.runCollect,
        )
        return { sent, whole: cutter.whole() }
      }).pipe(reserving(blockSizeOf(limits, content.bytes) * (blocksAtOnce + 1))),
  }
})
