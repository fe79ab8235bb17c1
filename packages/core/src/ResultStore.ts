/**
 * Where results are kept.
 *
 * @since 0.1.0
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Hex from "effect/encoding/Hex"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type Algorithm, type Hash, Hasher } from "./Hasher.ts"
import * as FileName from "./internal/fileName.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import type { ResultChunk, ResumePoint } from "./ResultChunk.ts"
import { ResultHead } from "./ResultChunk.ts"
import type { ResultRef } from "./ResultRef.ts"
import { fromPlatformError, StoreError } from "./StoreError.ts"
import * as TransferError from "./TransferError.ts"
import * as WholeFile from "./WholeFile.ts"

/**
 * A result that is kept, whole and checked. `path` is relative to the store.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredResult {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  readonly etag?: string
  /** The name that the storage or the gzip header announced: for display alone. */
  readonly fileName?: string
}

/**
 * Takes the chunks of one result. A writer that is left before it completes keeps what it has, for the next one to go
 * on with.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResultWriter {
  /** What an earlier writer left of this result. */
  readonly resume: ResumePoint | undefined

  /** Takes the next chunk. One at offset 0 after others voids them. */
  readonly write: (chunk: ResultChunk) => Effect.Effect<void, StoreError>

  /** Checks length and MD5 where they were announced, and keeps the result for good. */
  readonly complete: Effect.Effect<StoredResult, StoreError | TransferError.TransferError>
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** Begins to write a result, or goes on with it. One writer at a time for each result. */
  readonly open: (ref: ResultRef) => Effect.Effect<ResultWriter, StoreError, Scope.Scope>

  /** Whether something that was kept is still there, by its path, and by its size where that is known. */
  readonly has: (stored: {
    readonly path: string
    readonly bytes?: number | undefined
  }) => Effect.Effect<boolean, StoreError>

  /** The bytes of a result that is kept. */
  readonly read: (path: string) => Stream.Stream<Uint8Array, StoreError>

  /** Keeps what was made of a result, beside it: whole, or not at all. Gives its size. */
  readonly keep: <E, R>(
    path: string,
    bytes: Stream.Stream<Uint8Array, E, R>,
  ) => Effect.Effect<number, StoreError | E, R>
}

/**
 * Keeps results.
 *
 * @since 0.1.0
 * @category services
 */
export class ResultStore extends Context.Service<ResultStore, Service>()("@live-response/core/ResultStore") {}

/**
 * What a result is by its first bytes: what the service says of its content types is not relied on. It is the extension
 * of its file.
 *
 * @since 0.1.0
 * @category results
 */
export const kindOf = (start: Uint8Array): "json" | "gz" | "bin" => {
  if (start[0] === 0x1f && start[1] === 0x8b) return "gz"
  return /^\uFEFF?\s*\{/.test(new TextDecoder().decode(start)) ? "json" : "bin"
}

/** How much of the beginning tells what a result is, and what it was called. */
const startLength = FileName.gzipHeaderLength

/**
 * What every store does alike: counts, hashes, checks. It knows nothing of where the bytes go.
 */
const makeInspection = (hash: (algorithm: Algorithm) => Hash, ref: ResultRef) => {
  let head = ResultHead.make({})
  let size = 0
  let start = new Uint8Array()
  let sha256 = hash("SHA-256")
  let md5: Hash | undefined

  const mismatch = (what: "length" | "md5", expected: string, actual: string) =>
    new TransferError.TransferError({
      result: String(ref),
      reason: new TransferError.Mismatch({ what, expected, actual }),
    })

  return {
    get size() {
      return size
    },
    /** Begins, or begins anew. MD5 is costly, so it is computed only where there is one to compare with. */
    begin: (announced: ResultHead) => {
      head = announced
      size = 0
      start = new Uint8Array()
      sha256 = hash("SHA-256")
      md5 = announced.md5 === undefined ? undefined : hash("MD5")
    },
    /** What was announced of the same content later on. */
    learn: (announced: ResultHead) => {
      head = announced
    },
    add: (bytes: Uint8Array) => {
      if (size < startLength) start = Bytes.concat([start, bytes.subarray(0, startLength - size)])
      sha256.update(bytes)
      md5?.update(bytes)
      size += bytes.length
    },
    /** `all` is read where the MD5 was announced only after the first bytes. */
    finish: Effect.fnUntraced(function* <E, R>(all: Stream.Stream<Uint8Array, E, R>) {
      if (head.length !== undefined && head.length !== size) {
        return yield* mismatch("length", `${head.length} bytes`, `${size} bytes`)
      }
      if (head.md5 !== undefined) {
        const computed = md5 ?? hash("MD5")
        if (md5 === undefined) yield* Stream.runForEach(all, (bytes) => Effect.sync(() => computed.update(bytes)))
        const actual = Base64.encode(computed.digest())
        if (actual !== head.md5) return yield* mismatch("md5", head.md5, actual)
      }
      const fileName = head.fileName ?? Option.getOrUndefined(FileName.fromGzip(start))
      return {
        path: `${ref.machineActionId}/${ref.index}.${kindOf(start)}`,
        bytes: size,
        sha256: Hex.encode(sha256.digest()),
        ...(head.etag === undefined ? {} : { etag: head.etag }),
        ...(fileName === undefined ? {} : { fileName }),
      }
    }),
  }
}

/**
 * Keeps results in this program's memory: for tests, and for programs that hand them on.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<ResultStore> = Layer.effect(
  ResultStore,
  Effect.gen(function* () {
    const hasher = yield* Hasher
    const files = new Map<string, Uint8Array>()
    const parts = new Map<string, { readonly resume: ResumePoint; readonly bytes: Uint8Array }>()

    return {
      open: Effect.fnUntraced(function* (ref) {
        const inspection = makeInspection(hasher, ref)
        const part = parts.get(String(ref))
        let head = part?.resume.head
        let bytes: Array<Uint8Array> = []
        if (part !== undefined) {
          inspection.begin(part.resume.head)
          inspection.add(part.bytes)
          bytes.push(part.bytes)
          parts.delete(String(ref))
        }
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (head === undefined) return
            parts.set(String(ref), { resume: { head, offset: inspection.size }, bytes: Bytes.concat(bytes) })
          }),
        )
        return {
          resume: part?.resume,
          write: (chunk) =>
            Effect.sync(() => {
              if (chunk.offset === 0) {
                inspection.begin(chunk.head)
                bytes = []
              }
              inspection.learn(chunk.head)
              head = chunk.head
              inspection.add(chunk.bytes)
              bytes.push(chunk.bytes)
            }),
          complete: Effect.gen(function* () {
            head = undefined
            const stored = yield* inspection.finish(Stream.fromIterable(bytes))
            files.set(stored.path, Bytes.concat(bytes))
            return stored
          }),
        }
      }),
      has: ({ bytes, path }) =>
        Effect.sync(() => {
          const file = files.get(path)
          return file !== undefined && (bytes === undefined || file.length === bytes)
        }),
      keep: (path, bytes) =>
        Effect.map(Stream.runCollect(bytes), (chunks) => {
          const file = Bytes.concat(chunks)
          files.set(path, file)
          return file.length
        }),
      read: (path) =>
        Stream.suspend(() => {
          const bytes = files.get(path)
          return bytes === undefined
            ? Stream.fail(new StoreError({ path, problem: "Failed", detail: "there is no such result" }))
            : Stream.succeed(bytes)
        }),
    }
  }),
)

/** Stands beside a `.part`: what the bytes in it are the beginning of. */
const PartHead = Schema.fromJsonString(ResultHead)
const decodePartHead = Schema.decodeUnknownOption(PartHead)
const encodePartHead = Schema.encodeEffect(PartHead)

/** So many bytes are gathered before they are written: a write for each chunk off the wire would cost half as much again. */
const gatherLength = 1024 * 1024

const at =
  (path: string) =>
  <A, R>(effect: Effect.Effect<A, PlatformError, R>): Effect.Effect<A, StoreError, R> =>
    Effect.mapError(effect, fromPlatformError(path))

/**
 * What is kept in a directory, to be read alone: the directory is not made, need not be writable, and somebody else may be
 * writing there.
 *
 * @since 0.1.0
 * @category reading
 */
export const reader = Effect.fnUntraced(function* (
  directory: string,
): Effect.fn.Return<Pick<Service, "has" | "read">, never, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  return {
    has: ({ bytes, path }) =>
      fs.stat(join(directory, path)).pipe(
        Effect.map((info) => info.type === "File" && (bytes === undefined || Number(info.size) === bytes)),
        Effect.catchTag("PlatformError", (error) =>
          error.reason._tag === "NotFound" ? Effect.succeed(false) : Effect.fail(error),
        ),
        at(path),
      ),
    read: (path) => fs.stream(join(directory, path)).pipe(Stream.mapError(fromPlatformError(path))),
  }
})

/**
 * Keeps results as `<directory>/<machineActionId>/<index>.<json|gz|bin>`, the bytes exactly as served. Directories are
 * for their owner alone (0700), and so are files (0600). A result under way is `<index>.part` with what was announced of
 * it beside it; it is flushed to the disk before it gets its name.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem = (options: {
  readonly directory: string
}): Layer.Layer<ResultStore, StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    ResultStore,
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const paths = yield* Path.Path
      const { join } = paths
      const hasher = yield* Hasher

      const makeDirectory = (path: string) => PrivateDirectory.make(fs, paths, path).pipe(at(path))

      yield* makeDirectory(options.directory)
      yield* fs.access(options.directory, { writable: true }).pipe(at(options.directory))

      const open = Effect.fnUntraced(function* (ref: ResultRef) {
        // The file outlives the writer's scope by what is still to be written when that ends.
        const fileScope = yield* Scope.make()
        const directory = join(options.directory, ref.machineActionId)
        const partPath = join(directory, `${ref.index}.part`)
        const headPath = `${partPath}.json`
        const inspection = makeInspection(hasher, ref)
        const oneAtATime = yield* Semaphore.make(1)

        let failure: StoreError | undefined
        let part: FileSystem.File | undefined
        let partHead: ResultHead | undefined
        let head: ResultHead | undefined
        let gathered: Array<Uint8Array> = []
        let gatheredLength = 0

        const openPart = Effect.gen(function* () {
          if (part !== undefined) return part
          yield* makeDirectory(directory)
          yield* PrivateDirectory.sync(fs, options.directory)
          part = yield* fs.open(partPath, { flag: "a", mode: 0o600 }).pipe(at(partPath), Scope.provide(fileScope))
          return part
        })

        const writeGathered = Effect.gen(function* () {
          if (gatheredLength === 0) return
          const file = yield* openPart
          const bytes = Bytes.concat(gathered)
          gathered = []
          gatheredLength = 0
          yield* file.writeAll(bytes).pipe(at(partPath))
        })

        const writeHead = Effect.suspend(() => {
          if (head === undefined || head === partHead) return Effect.void
          partHead = head
          return encodePartHead(head).pipe(
            Effect.orDie,
            Effect.tap(openPart),
            Effect.flatMap((json) => fs.writeFileString(headPath, json, { mode: 0o600 }).pipe(at(headPath))),
          )
        })

        /**
         * What is announced is written before the bytes that it is about. Uninterruptible, because a write that was begun
         * happens whether anybody waits for it or not.
         */
        const flush = Effect.andThen(writeHead, writeGathered).pipe(oneAtATime.withPermits(1), Effect.uninterruptible)

        const forget = () => {
          head = undefined
          gathered = []
          gatheredLength = 0
        }

        const discard = Effect.gen(function* () {
          forget()
          yield* fs.remove(partPath, { force: true }).pipe(at(partPath))
          yield* fs.remove(headPath, { force: true }).pipe(at(headPath))
        })

        const leftBehind = Effect.gen(function* () {
          const announced = yield* Effect.fromOption(decodePartHead(yield* fs.readFileString(headPath)))
          inspection.begin(announced)
          yield* Stream.runForEach(fs.stream(partPath), (bytes) => Effect.sync(() => inspection.add(bytes)))
          return inspection.size <= (announced.length ?? Infinity)
            ? { head: announced, offset: inspection.size }
            : undefined
        }).pipe(Effect.orElseSucceed(() => undefined))

        const resume: ResumePoint | undefined = yield* leftBehind
        if (resume === undefined) yield* discard
        head = resume?.head
        partHead = resume?.head

        yield* Effect.addFinalizer((exit) => Effect.ignore(flush).pipe(Effect.andThen(Scope.close(fileScope, exit))))

        // A body may be quiet for long: what came is on the disk a second later, whatever becomes of this program.
        yield* flush.pipe(
          Effect.repeat(Schedule.spaced("1 second")),
          Effect.catch((error) =>
            Effect.sync(() => {
              failure = error
            }),
          ),
          Effect.forkScoped,
        )

        const startOver = oneAtATime.withPermits(1)(
          Effect.gen(function* () {
            forget()
            if (resume !== undefined || part !== undefined) yield* (yield* openPart).truncate(0).pipe(at(partPath))
          }),
        )

        const write = Effect.fnUntraced(function* (chunk: ResultChunk) {
          if (failure !== undefined) return yield* failure
          if (chunk.offset === 0) {
            inspection.begin(chunk.head)
            yield* startOver
          }
          inspection.learn(chunk.head)
          head = chunk.head
          inspection.add(chunk.bytes)
          gathered.push(chunk.bytes)
          gatheredLength += chunk.bytes.length
          if (gatheredLength >= gatherLength) yield* flush
        })

        const complete = Effect.gen(function* () {
          if (failure !== undefined) return yield* failure
          const file = yield* openPart
          yield* writeGathered
          const all = Stream.mapError(fs.stream(partPath), fromPlatformError(partPath))
          const stored = yield* Effect.tapError(inspection.finish(all), () => discard)
          yield* file.sync.pipe(at(partPath))
          const path = join(options.directory, stored.path)
          yield* fs.rename(partPath, path).pipe(at(path))
          yield* PrivateDirectory.sync(fs, directory)
          if (partHead !== undefined) yield* fs.remove(headPath, { force: true }).pipe(at(headPath))
          forget()
          return stored
        }).pipe(oneAtATime.withPermits(1), Effect.uninterruptible)

        return { resume, write, complete }
      })

      return {
        open,
        ...(yield* reader(options.directory)),
        keep: (path, bytes) => WholeFile.write(fs, paths, join(options.directory, path), bytes),
      }
    }),
  )
