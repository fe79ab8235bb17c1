/**
 * Stores results: writes them as they are downloaded, checks them, and reads them again.
 *
 * @since 0.1.0
 */
import * as Bytes from "effect/Bytes"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DiskSpace } from "./DiskSpace.ts"
import { Hasher } from "./Hasher.ts"
import { allowBorrowing, mayBorrow } from "./internal/borrowing.ts"
import * as DirectoryWriter from "./internal/resultWriter.ts"
import * as KeyedLock from "./internal/keyedLock.ts"
import * as MemoryWriter from "./internal/memoryWriter.ts"
import { SpaceWatch } from "./internal/spaceWatch.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import type { ResultChunk, ResumePoint } from "./ResultChunk.ts"
import type { ResultRef } from "./ResultRef.ts"
import { fromPlatformError, StoreError } from "./StoreError.ts"
import type * as TransferError from "./TransferError.ts"
import * as AtomicFile from "./AtomicFile.ts"

/**
 * A result that is stored, complete and checked unless `unchecked` is set. `path` is relative to the store.
 *
 * **Gotchas**
 *
 * `fileName` is the name that the storage or the gzip header announced. The machine chose it: display it, and never use it
 * as a path. With `unchecked` the result may be incomplete, because the storage announced neither its length nor an MD5.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredResult {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  readonly etag?: string
  readonly fileName?: string
  readonly unchecked?: true
}

/**
 * Receives the chunks of one result.
 *
 * **Details**
 *
 * A writer finishes when it completes or discards the result, or when its scope closes. If its scope closes first, the
 * store keeps the bytes, and the next writer resumes. After a failed write the writer accepts no more chunks.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResultWriter {
  /** What an earlier writer left of this result. */
  readonly resume: ResumePoint | undefined

  /** Appends a chunk. A chunk with offset 0 replaces all chunks before it. */
  readonly write: (chunk: ResultChunk) => Effect.Effect<void, StoreError>

  /**
   * Checks the length and the MD5 that were announced, and stores the result. If they differ, nothing is stored and the
   * next writer starts over. The writer has finished, whatever the outcome.
   *
   * A batch runs it uninterruptibly, so that what is stored is also recorded. What may take long in it is
   * `Effect.interruptible`.
   */
  readonly complete: Effect.Effect<StoredResult, StoreError | TransferError.TransferError>

  /** Removes all bytes of the result. The writer has finished. */
  readonly discard: Effect.Effect<void, StoreError>
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Starts to write a result, or resumes it.
   *
   * **Details**
   *
   * A result has one writer at a time. Another call waits until that writer has finished, and then resumes what it left.
   */
  readonly open: (ref: ResultRef) => Effect.Effect<ResultWriter, StoreError, Scope.Scope>

  /** Whether a stored file exists, and has this size if `bytes` is given. */
  readonly has: (stored: {
    readonly path: string
    readonly bytes?: number | undefined
  }) => Effect.Effect<boolean, StoreError>

  /** The bytes of a stored file. */
  readonly read: (path: string) => Stream.Stream<Uint8Array, StoreError>

  /**
   * Stores a file derived from a result, such as an unpacked one, and returns its size.
   *
   * **Details**
   *
   * If `bytes` fails, nothing is stored. One call at a time runs for each path.
   */
  readonly write: <E, R>(
    path: string,
    bytes: Stream.Stream<Uint8Array, E, R>,
  ) => Effect.Effect<number, StoreError | E, R>
}

/**
 * Stores results.
 *
 * **When to use**
 *
 * Use `layerFileSystem` to store results in a directory, `layerMemory` for tests, and an implementation of your own for
 * another store.
 *
 * @since 0.1.0
 * @category services
 */
export class ResultStore extends Context.Service<ResultStore, Service>()("@live-response/core/ResultStore") {}

const hasFinished = (ref: ResultRef) =>
  new StoreError({ path: String(ref), problem: "Failed", detail: "this writer has finished; open the result again" })

/** A writer that closes its scope when it completes or discards the result, and accepts nothing afterwards. */
const closing = (ref: ResultRef, writer: ResultWriter, scope: Scope.Closeable): ResultWriter => {
  const state = { hasFinished: false }
  const unlessFinished = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | StoreError> =>
    Effect.suspend((): Effect.Effect<A, E | StoreError> => (state.hasFinished ? Effect.fail(hasFinished(ref)) : effect))
  const finishWith = <A, E>(effect: Effect.Effect<A, E>) =>
    unlessFinished(
      Effect.suspend(() => {
        state.hasFinished = true
        return Effect.onExit(effect, (exit) => Scope.close(scope, exit))
      }),
    )
  const closingWriter: ResultWriter = {
    resume: writer.resume,
    write: (chunk) => unlessFinished(writer.write(chunk)),
    complete: finishWith(writer.complete),
    discard: finishWith(writer.discard),
  }
  return mayBorrow(writer) ? allowBorrowing(closingWriter) : closingWriter
}

/**
 * Allows one writer at a time for each result, and one `write` for each path.
 *
 * **When to use**
 *
 * Use it for a store of your own whose `open` and `write` do not wait for each other.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withLocks = (store: Service): Service => {
  const hold = KeyedLock.make()
  return {
    ...store,
    open: Effect.fnUntraced(function* (ref) {
      const scope = yield* Scope.fork(yield* Effect.scope)
      const writer = yield* Effect.andThen(hold(String(ref)), store.open(ref)).pipe(
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
      )
      return closing(ref, writer, scope)
    }),
    write: (path, bytes) =>
      Effect.scopedWith((scope) => Effect.andThen(Scope.provide(hold(path), scope), store.write(path, bytes))),
  }
}

const readMemory = (files: ReadonlyMap<string, Uint8Array>, path: string) =>
  Stream.suspend(() => {
    const bytes = files.get(path)
    return bytes === undefined
      ? Stream.fail(new StoreError({ path, problem: "Failed", detail: "there is no such result" }))
      : Stream.succeed(bytes)
  })

/**
 * Stores results in memory.
 *
 * **When to use**
 *
 * Use it for tests, and for programs that hand results on.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<ResultStore> = Layer.effect(
  ResultStore,
  Effect.gen(function* () {
    const hasher = yield* Hasher
    const memory: MemoryWriter.Memory = { files: new Map(), parts: new Map() }
    const { files } = memory
    return withLocks({
      open: (ref) => MemoryWriter.open(memory, hasher, ref),
      has: ({ bytes, path }) =>
        Effect.sync(() => {
          const file = files.get(path)
          return file !== undefined && (bytes === undefined || file.length === bytes)
        }),
      read: (path) => readMemory(files, path),
      write: (path, bytes) =>
        Effect.map(Stream.runCollect(bytes), (chunks) => {
          const file = Bytes.concat(chunks)
          files.set(path, file)
          return file.length
        }),
    })
  }),
)

/**
 * Reads the stored files of a directory, and writes nothing.
 *
 * **When to use**
 *
 * Use it to read results while another program may be writing to the directory.
 *
 * @since 0.1.0
 * @category reading
 */
export const reader = (directory: PrivateDirectory.PrivateDirectory): Pick<Service, "has" | "read"> => ({
  has: ({ bytes, path }) =>
    Effect.map(directory.info(path), (info) =>
      Option.exists(info, ({ size, type }) => type === "File" && (bytes === undefined || Number(size) === bytes)),
    ),
  read: (path) => directory.read(path),
})

/**
 * Stores results as `<directory>/<machineActionId>/<index>.<json|gz|bin>`, the bytes exactly as served.
 *
 * **Details**
 *
 * - Directories are accessible to their owner alone (0700), and so are files (0600). A directory that another user could
 *   change is refused, as `PrivateDirectory.open` does it, and so is each file that is a link.
 * - A result in progress is `<index>.part`. `<index>.part.json` beside it records what the storage announced and how many
 *   bytes were flushed to the disk. Bytes are flushed after a second and after each 8 MiB.
 * - A resume trusts flushed bytes alone, so no crash, power cut or full disk makes a wrong result. The last second of a
 *   download may be downloaded again.
 * - A result is flushed, and its size checked, before it gets its name. In a directory that `isTemporary`, whose results are
 *   stored elsewhere at once, only what a resume trusts is flushed.
 * - With `held`, a result of at most 64 KiB that arrives within a second needs no file: `complete` puts its bytes there, by its path.
 *   They are not in the directory, so `has` and `read` do not find them. Remove them from `held` when they are stored elsewhere.
 *
 * **Gotchas**
 *
 * Only one program at a time may write to a directory, because two writers of one result damage it. In Node,
 * `NodeDirectoryLock` ensures that.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem = (options: {
  readonly directory: string
  readonly isTemporary?: boolean | undefined
  readonly held?: Map<string, Uint8Array> | undefined
}): Layer.Layer<ResultStore, StoreError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    ResultStore,
    Effect.gen(function* () {
      const hasher = yield* Hasher
      const directory = yield* PrivateDirectory.open(options.directory, options)
      yield* Effect.mapError(
        FileSystem.FileSystem.use((fs) => fs.access(directory.realPath, { writable: true })),
        fromPlatformError(options.directory),
      )
      const space = new SpaceWatch(yield* DiskSpace, directory.realPath)
      return withLocks({
        open: (ref) => DirectoryWriter.open({ directory, hasher, space, held: options.held }, ref),
        ...reader(directory),
        write: Effect.fnUntraced(function* (path, bytes) {
          const reserved = yield* space.reserve()
          const watched = Stream.tap(bytes, ({ length }) => space.take(reserved, length))
          return yield* AtomicFile.write(directory, path, watched)
        }, Effect.scoped),
      })
    }),
  )
