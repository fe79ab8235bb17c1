/** A result in progress on the disk: its first bytes, and a record of how many of them a resume may trust. */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as FileName from "../FileName.ts"
import type { PrivateDirectory } from "../PrivateDirectory.ts"
import { ResultHead } from "../ResultChunk.ts"
import { fromPlatformError, StoreError } from "../StoreError.ts"
import * as TerminalText from "../TerminalText.ts"
import * as AtomicFile from "../AtomicFile.ts"

/**
 * Stands beside a part: what its bytes are the beginning of, and how many of them were flushed to the disk before this was
 * written. Earlier versions did not flush and did not say, so nothing of their parts is trusted.
 */
const Record = Schema.fromJsonString(
  Schema.Struct({
    ...ResultHead.fields,
    durable: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  }),
)
const decodeRecord = Schema.decodeUnknownOption(Record)
const encodeRecord = Schema.encodeEffect(Record)

/** So many bytes are gathered before they are written: a write for each chunk off the wire would cost half as much again. */
const gatherLength = 1024 * 1024

/** So many bytes are written before they are flushed to the disk, or what came within a second. */
const flushLength = 8 * 1024 * 1024

/** A record holds a few headers of an answer. */
export const longestRecord = 64 * 1024

export interface Place {
  readonly directory: PrivateDirectory
  /** The names of the part and of its record. */
  readonly name: string
  readonly record: string
}

export interface PartFile extends Place {
  /** The file stays open after the scope of its writer has ended, for what is to be written then. */
  readonly scope: Scope.Closeable
  readonly lock: Semaphore.Semaphore
  file: FileSystem.File | undefined
  /** What the bytes are the beginning of. */
  head: ResultHead | undefined
  gathered: Array<Uint8Array>
  gatheredLength: number
  /** How many bytes were written. */
  size: number
  /** How many of them were flushed: no record says more. */
  durable: number
  /** Whether there may be a record. */
  hasRecord: boolean
  /** After it nothing is written any more: what a failed write has left is not known. */
  failure: StoreError | undefined
  isPublished: boolean
}

/** What is done to the open file, whose failures name it. */
const at =
  ({ directory, name }: Place) =>
  <A, R>(effect: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, StoreError, R> =>
    Effect.mapError(effect, fromPlatformError(directory.pathOf(name)))

const sizeOf = (file: FileSystem.File) => Effect.map(file.stat, ({ size }) => Number(size))

/**
 * One operation at a time, and none after one that failed. Uninterruptible, because a write that was started happens
 * whether anybody waits for it or not.
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

/** The file, made when it is first needed. Behind what is trusted of it there may be bytes that never were flushed. */
const openFile = Effect.fnUntraced(function* (part: PartFile) {
  if (part.file !== undefined) return part.file
  yield* part.directory.makeDirectoryOf(part.name)
  const file = yield* part.directory.append(part.name).pipe(Scope.provide(part.scope))
  if ((yield* sizeOf(file).pipe(at(part))) > part.size) yield* file.truncate(part.size).pipe(at(part))
  part.file = file
  return file
})

const dropGathered = (part: PartFile) => {
  part.gathered = []
  part.gatheredLength = 0
}

const writeGathered = Effect.fnUntraced(function* (part: PartFile) {
  if (part.gatheredLength === 0) return
  const file = yield* openFile(part)
  const bytes = Bytes.concat(part.gathered)
  dropGathered(part)
  yield* file.writeAll(bytes).pipe(at(part))
  part.size += bytes.length
})

/** Flushes what came and then records it: in the other order a power cut would leave a record of bytes that are not there. */
const checkpoint = Effect.fnUntraced(function* (part: PartFile) {
  // Its turn may come when the result has its name already.
  if (part.isPublished) return
  yield* writeGathered(part)
  const { directory, head, record, size } = part
  if (head === undefined || size === part.durable) return
  const file = yield* openFile(part)
  yield* file.sync.pipe(at(part))
  // What another program wrote into it is nothing to resume from; `publish` will say so.
  if ((yield* sizeOf(file).pipe(at(part))) !== size) return
  part.durable = size
  part.hasRecord = true
  const json = TerminalText.escapeJson(yield* Effect.orDie(encodeRecord({ ...head, durable: size })))
  // Nobody could read it back, so that the transfer starts over.
  if (json.length > longestRecord) return
  yield* AtomicFile.write(directory, record, Stream.encodeText(Stream.succeed(json)))
})

/** Also from a disk that loses power: bytes of another content may come under the part's name after it. */
const removeRecord = Effect.fnUntraced(function* (part: PartFile) {
  if (!part.hasRecord) return
  yield* part.directory.remove(part.record)
  yield* part.directory.syncDirectoryOf(part.record)
  part.hasRecord = false
})

const forget = Effect.fnUntraced(function* (part: PartFile) {
  dropGathered(part)
  part.head = undefined
  yield* removeRecord(part)
  part.size = 0
  part.durable = 0
})

/** Removes the part and its record. */
export const discard = Effect.fnUntraced(function* (part: PartFile) {
  yield* forget(part)
  yield* part.directory.remove(part.name)
})

/** Empties the part: other content follows. */
export const startOver = Effect.fnUntraced(function* (part: PartFile) {
  yield* forget(part)
  if (part.file !== undefined) yield* part.file.truncate(0).pipe(at(part))
})

/** Takes the next bytes. They are written when enough of them are there, and flushed at the latest a second later. */
export const append = (part: PartFile, head: ResultHead, bytes: Uint8Array): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => {
    if (part.failure !== undefined) return Effect.fail(part.failure)
    part.head = head
    part.gathered.push(bytes)
    part.gatheredLength += bytes.length
    return part.gatheredLength < gatherLength ? Effect.void : exclusively(part)(writeThrough(part))
  })

const writeThrough = Effect.fnUntraced(function* (part: PartFile) {
  yield* writeGathered(part)
  if (part.size - part.durable >= flushLength) yield* checkpoint(part)
})

/** Its bytes from the disk, without what may be behind them. */
export const bytes = (part: PartFile): Stream.Stream<Uint8Array, StoreError> =>
  part.directory.read(part.name, { bytesToRead: part.size })

/** Writes what is gathered, and gives the size of the file. */
export const finish = Effect.fnUntraced(function* (part: PartFile) {
  yield* writeGathered(part)
  return yield* sizeOf(yield* openFile(part)).pipe(at(part))
})

/** Gives the part its name as a result. */
export const publish = Effect.fnUntraced(function* (part: PartFile, name: string) {
  const file = yield* openFile(part)
  part.isPublished = true
  yield* AtomicFile.publish(part.directory, file, part.name, name)
  // The result is there. A record without its part is nothing that is resumed, and the next writer removes it.
  yield* Effect.ignore(removeRecord(part))
})

/** The bytes of a failed writer end where the record says, and those of one that was left are recorded. */
const close = (part: PartFile) =>
  Effect.gen(function* () {
    if (part.isPublished) return
    yield* Effect.ignore(exclusively(part)(checkpoint(part)))
    // A resume cuts it off as well, where this fails.
    if (part.failure !== undefined && part.file !== undefined) yield* Effect.ignore(part.file.truncate(part.durable))
  }).pipe(Effect.onExit((exit) => Scope.close(part.scope, exit)))

/**
 * What an earlier writer recorded and left. Only what is missing, or is no record, counts as nothing: another error may
 * pass, and a part that was discarded for it is lost.
 */
const readRecord = Effect.fnUntraced(function* (part: PartFile) {
  const json = Option.getOrUndefined(yield* part.directory.readString(part.record, longestRecord))
  if (json === undefined) return
  part.hasRecord = true
  const info = Option.getOrUndefined(yield* part.directory.info(part.name))
  const record = Option.getOrUndefined(decodeRecord(json))
  if (info === undefined || record === undefined) return
  const { durable = 0, ...head } = record
  // A file that is shorter than what was flushed of it has lost bytes. What is appended to it would be taken for those.
  if (durable > Math.min(Number(info.size), head.length ?? Infinity)) return
  part.head = ResultHead.make(head)
  part.size = durable
  part.durable = durable
})

/** Opens the part of a result with what an earlier writer left of it that can be trusted, or else with nothing. */
export const open = Effect.fnUntraced(function* (place: Place): Effect.fn.Return<PartFile, StoreError, Scope.Scope> {
  const part: PartFile = {
    ...place,
    scope: yield* Scope.make(),
    lock: yield* Semaphore.make(1),
    file: undefined,
    head: undefined,
    gathered: [],
    gatheredLength: 0,
    size: 0,
    durable: 0,
    hasRecord: false,
    failure: undefined,
    isPublished: false,
  }
  yield* readRecord(part)
  if (part.size === 0) yield* discard(part)
  // A crash may leave a record that was not whole yet.
  yield* part.directory.remove(FileName.partOf(part.record))
  yield* Effect.addFinalizer(() => close(part))
  // A body may be quiet for long: what came is on the disk a second later, whatever becomes of this program.
  yield* exclusively(part)(checkpoint(part)).pipe(
    Effect.delay("1 second"),
    Effect.forever,
    Effect.ignore,
    Effect.forkScoped,
  )
  return part
})
