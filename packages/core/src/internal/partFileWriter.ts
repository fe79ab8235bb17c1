/** A result in progress on the disk: its first bytes, and a record of how many of them a resume may trust. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as AtomicFile from "../AtomicFile.ts"
import * as FileName from "../FileName.ts"
import type { PrivateDirectory } from "../PrivateDirectory.ts"
import { ResultHead } from "../ResultChunk.ts"
import { fromPlatformError, StoreError } from "../StoreError.ts"
import * as TerminalText from "../TerminalText.ts"

/**
 * The file beside a part: what the storage announced of the result, and how many bytes of the part were flushed to the disk
 * before the record was written. The first releases did not flush and wrote no `durable`, so their parts start over.
 */
const Record = Schema.fromJsonString(
  Schema.Struct({
    ...ResultHead.fields,
    durable: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  }),
)
const decodeRecord = Schema.decodeUnknownOption(Record)
const encodeRecord = Schema.encodeEffect(Record)

/** Chunks of at least this length are written as they are. Shorter ones are gathered, because each write has its cost. */
const directLength = 64 * 1024

/** A result of at most this length stays in memory until it is stored elsewhere. */
const longestHeld = 64 * 1024

/** How many bytes are gathered before they are written. */
const bufferLength = 256 * 1024

/** Bytes are flushed to the disk after this many, or after a second. */
const flushLength = 8 * 1024 * 1024

/** A record holds a few headers of an answer, and is shorter than this. */
const longestRecord = 64 * 1024

/** Where a part and its record are. */
export interface Location {
  readonly directory: PrivateDirectory
  readonly name: string
  readonly record: string
  /** Whether a short result needs no file, because it is stored elsewhere when it is complete. */
  readonly mayBeHeld: boolean
}

export interface PartFile extends Location {
  /** Of the open file, which is written to once more after the scope of its writer has closed. */
  readonly scope: Scope.Closeable
  readonly writerScope: Scope.Scope
  readonly lock: Semaphore.Semaphore
  file: FileSystem.File | undefined
  /** What the storage announced of the content. */
  head: ResultHead | undefined
  /** Bytes that are not written yet, in the first `bufferedLength` of it. */
  buffer: Uint8Array
  bufferedLength: number
  /** How many bytes were written. */
  size: number
  /** How many of them were flushed. No record says more. */
  durable: number
  /** Whether a record may exist. */
  hasRecord: boolean
  /** Whether its directory was missing, so that nothing in it is older than this part. */
  isFirst: boolean
  /** The first failure. Nothing is written after it, because what a failed write left is not known. */
  failure: StoreError | undefined
  isPublished: boolean
  /** Whether what has arrived is flushed each second. */
  isWatched: boolean
}

/** Names the part in failures of an operation on its open file. */
const inPart =
  ({ directory, name }: Location) =>
  <A, R>(effect: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, StoreError, R> =>
    Effect.mapError(effect, fromPlatformError(directory.pathOf(name)))

const sizeOf = (file: FileSystem.File) => Effect.map(file.stat, ({ size }) => Number(size))

/**
 * Runs one operation at a time, and none after one that failed. It is uninterruptible, because a write that has started
 * happens whether its fiber waits for it or not.
 */
export const exclusively =
  (part: PartFile) =>
  <A, E>(operation: Effect.Effect<A, E | StoreError>): Effect.Effect<A, E | StoreError> =>
    Effect.suspend(() => (part.failure === undefined ? operation : Effect.fail(part.failure))).pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (error instanceof StoreError) part.failure = error
        }),
      ),
      part.lock.withPermits(1),
      Effect.uninterruptible,
    )

/** Opens the file on first use, and cuts off bytes that were never flushed. */
const openFile = (part: PartFile): Effect.Effect<FileSystem.File, StoreError> =>
  Effect.suspend(() => (part.file === undefined ? openNow(part) : Effect.succeed(part.file)))

const openNow = Effect.fnUntraced(function* (part: PartFile) {
  const { file } = yield* part.directory.appendBelow(part.name).pipe(Scope.provide(part.scope))
  if (!part.isFirst && (yield* sizeOf(file).pipe(inPart(part))) > part.size) {
    yield* file.truncate(part.size).pipe(inPart(part))
  }
  part.file = file
  return file
})

const write = (part: PartFile, bytes: Uint8Array): Effect.Effect<void, StoreError> =>
  Effect.flatMap(openFile(part), (file) =>
    Effect.map(file.writeAll(bytes).pipe(inPart(part)), () => {
      part.size += bytes.length
    }),
  )

const writeBuffer = (part: PartFile): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => {
    if (part.bufferedLength === 0) return Effect.void
    const bytes = part.buffer.subarray(0, part.bufferedLength)
    part.bufferedLength = 0
    return write(part, bytes)
  })

/** Copies as many bytes as fit into the buffer, and returns the rest. */
const gather = (part: PartFile, bytes: Uint8Array): Uint8Array => {
  if (part.buffer.length === 0) {
    const expected = (part.head?.length ?? Infinity) - part.size
    part.buffer = new Uint8Array(Math.min(bufferLength, Math.max(expected, bytes.length)))
  }
  const fitting = bytes.subarray(0, part.buffer.length - part.bufferedLength)
  part.buffer.set(fitting, part.bufferedLength)
  part.bufferedLength += fitting.length
  return bytes.subarray(fitting.length)
}

const writeRecord = Effect.fnUntraced(function* ({ directory, durable, record }: PartFile, head: ResultHead) {
  const json = TerminalText.escapeJson(yield* Effect.orDie(encodeRecord({ ...head, durable })))
  // It could not be read back. Without a record the next download of the result starts over.
  if (json.length > longestRecord) return
  yield* AtomicFile.write(directory, record, Stream.encodeText(Stream.succeed(json)))
})

/** Flushes the bytes and then records them. In the other order a power cut would leave a record of missing bytes. */
const checkpoint = Effect.fnUntraced(function* (part: PartFile) {
  // It may have waited for the lock until the result was published.
  if (part.isPublished) return
  yield* writeBuffer(part)
  const { head, size } = part
  if (head === undefined || size === part.durable) return
  const file = yield* openFile(part)
  yield* file.sync.pipe(inPart(part))
  // Another program wrote to the file: do not record it. `Inspection.checkFile` reports it at the end.
  if ((yield* sizeOf(file).pipe(inPart(part))) !== size) return
  part.durable = size
  part.hasRecord = true
  yield* writeRecord(part, head)
})

/** The removal is flushed as well: afterwards the part may hold other content, which the record must not describe. */
const removeRecord = (part: PartFile): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => (part.hasRecord ? removeRecordNow(part) : Effect.void))

const removeRecordNow = Effect.fnUntraced(function* (part: PartFile) {
  yield* part.directory.remove(part.record)
  yield* part.directory.syncDirectoryOf(part.record)
  part.hasRecord = false
})

const reset = Effect.fnUntraced(function* (part: PartFile) {
  part.buffer = new Uint8Array()
  part.bufferedLength = 0
  part.head = undefined
  yield* removeRecord(part)
  part.size = 0
  part.durable = 0
})

/** Removes the part and its record. */
export const discard = Effect.fnUntraced(function* (part: PartFile) {
  yield* reset(part)
  yield* part.directory.remove(part.name)
})

/** Empties the part for other content. */
export const startOver = Effect.fnUntraced(function* (part: PartFile) {
  yield* reset(part)
  if (part.file !== undefined) yield* part.file.truncate(0).pipe(inPart(part))
})

/** Whether nothing was written to the part, and no record was found. */
export const isPristine = ({ bufferedLength, file, hasRecord, size }: PartFile): boolean =>
  file === undefined && !hasRecord && size === 0 && bufferedLength === 0

/** A body may pause for long: what has arrived is on the disk a second later, even if this program is killed. */
const watch = (part: PartFile): Effect.Effect<unknown> => {
  part.isWatched = true
  return exclusively(part)(checkpoint(part)).pipe(
    Effect.delay("1 second"),
    Effect.forever,
    Effect.ignore,
    Effect.forkIn(part.writerScope),
  )
}

/** Whether so many bytes need no file. What an earlier writer left would have to be removed, so that then there is one. */
const needsNoFile = ({ file, isFirst, mayBeHeld }: PartFile, length: number): boolean =>
  mayBeHeld && isFirst && file === undefined && length <= longestHeld

/** Whether bytes stay in memory with all that arrived before them, until the result is complete or has paused for a second. */
export const isHeld = (part: PartFile, { length: announced = 0 }: ResultHead, { length }: Uint8Array): boolean =>
  needsNoFile(part, Math.max(announced, part.bufferedLength + length))

/** Whether bytes complete the content. There is nothing to wait for with the write. */
const completes = ({ head, size }: PartFile, { length }: Uint8Array): boolean => head?.length === size + length

/**
 * Appends bytes, and refers to none of them afterwards. They are written once the buffer is full, and flushed a second later
 * at the latest. Only one operation at a time may use the buffer, because a write in progress reads it.
 */
export const append = Effect.fnUntraced(function* (part: PartFile, head: ResultHead, bytes: Uint8Array) {
  part.head = head
  if (!part.isWatched && !completes(part, bytes)) yield* watch(part)
  const stays = isHeld(part, head, bytes)
  for (let rest = bytes; rest.length > 0;) {
    if (!stays && part.bufferedLength === 0 && (rest.length >= directLength || completes(part, rest))) {
      yield* write(part, rest)
      break
    }
    rest = gather(part, rest)
    // More than what was announced would not fit.
    if (part.bufferedLength === part.buffer.length && !(stays && rest.length === 0)) yield* writeBuffer(part)
  }
  if (part.size - part.durable >= flushLength) yield* checkpoint(part)
})

/** The written bytes, read from the disk, without any that another program appended. */
export const bytes = (part: PartFile): Stream.Stream<Uint8Array, StoreError> =>
  part.directory.read(part.name, { bytesToRead: part.size })

/** Writes the buffer, and returns the size of the file. */
export const finish = (part: PartFile): Effect.Effect<number, StoreError> =>
  Effect.andThen(
    writeBuffer(part),
    Effect.flatMap(openFile(part), (file) => sizeOf(file).pipe(inPart(part))),
  )

/** All bytes, if no file of them was created. Then none will be. */
export const takeHeld = (part: PartFile): Uint8Array | undefined => {
  if (!needsNoFile(part, part.bufferedLength)) return undefined
  part.isPublished = true
  return part.buffer.subarray(0, part.bufferedLength)
}

/** Gives the part the name of its result. */
export const publish = Effect.fnUntraced(function* (part: PartFile, name: string) {
  const file = yield* openFile(part)
  part.isPublished = true
  yield* AtomicFile.publish(part.directory, file, part.name, name)
  // The result is stored. A record without a part is never resumed, and the next writer removes it.
  yield* Effect.ignore(removeRecord(part))
})

/** Records what a writer left. After a failure it cuts the part back to what is recorded. */
const close = (part: PartFile) =>
  Effect.suspend(() => (part.isPublished ? Effect.void : leave(part))).pipe(
    Effect.onExit((exit) => Scope.close(part.scope, exit)),
  )

const leave = (part: PartFile) =>
  Effect.gen(function* () {
    yield* Effect.ignore(exclusively(part)(checkpoint(part)))
    // If this fails, the next writer cuts it back.
    if (part.failure !== undefined && part.file !== undefined) yield* Effect.ignore(part.file.truncate(part.durable))
  })

/**
 * Reads what an earlier writer recorded. A missing or unreadable record counts as none. Other errors fail, because they may
 * be temporary, and a part that starts over is lost.
 */
const readRecord = Effect.fnUntraced(function* (part: PartFile) {
  const json = Option.getOrUndefined(yield* part.directory.readString(part.record, longestRecord))
  if (json === undefined) return
  part.hasRecord = true
  const info = Option.getOrUndefined(yield* part.directory.info(part.name))
  const record = Option.getOrUndefined(decodeRecord(json))
  if (info === undefined || record === undefined) return
  const { durable = 0, ...head } = record
  // The file is shorter than what was flushed, so it lost bytes: do not append to it.
  if (durable > Math.min(Number(info.size), head.length ?? Infinity)) return
  part.head = ResultHead.make(head)
  part.size = durable
  part.durable = durable
})

/** Takes over the bytes of an earlier writer that can be trusted, and removes all else. */
const takeOver = Effect.fnUntraced(function* (part: PartFile) {
  yield* readRecord(part)
  if (part.size === 0) yield* discard(part)
  // A crash may leave an unfinished record.
  yield* part.directory.remove(FileName.partOf(part.record))
})

/** Opens the part of a result, with the bytes of an earlier writer that can be trusted. */
export const open = Effect.fnUntraced(function* (
  location: Location,
): Effect.fn.Return<PartFile, StoreError, Scope.Scope> {
  const part: PartFile = {
    ...location,
    scope: Scope.makeUnsafe(),
    writerScope: yield* Effect.scope,
    lock: Semaphore.makeUnsafe(1),
    file: undefined,
    head: undefined,
    buffer: new Uint8Array(),
    bufferedLength: 0,
    size: 0,
    durable: 0,
    hasRecord: false,
    isFirst: false,
    failure: undefined,
    isPublished: false,
    isWatched: false,
  }
  // A result that is new has no directory, and so nothing that an earlier writer left.
  part.isFirst = !(yield* part.directory.hasDirectoryOf(part.name))
  if (!part.isFirst) yield* takeOver(part)
  yield* Scope.addFinalizer(part.writerScope, close(part))
  return part
})
