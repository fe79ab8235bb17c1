/**
 * Where results are kept.
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
import * as FileName from "./FileName.ts"
import { type Algorithm, type Hash, Hasher } from "./Hasher.ts"
import * as Inspection from "./internal/inspection.ts"
import * as KeyedLock from "./internal/keyedLock.ts"
import * as PartFile from "./internal/partFile.ts"
import { SpaceWatch } from "./internal/spaceWatch.ts"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import type { ResultChunk, ResumePoint } from "./ResultChunk.ts"
import type { ResultRef } from "./ResultRef.ts"
import { fromPlatformError, StoreError } from "./StoreError.ts"
import type * as TransferError from "./TransferError.ts"
import * as AtomicFile from "./AtomicFile.ts"

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
  /** The storage announced neither a length nor an MD5, so that whether all of it came is not known. */
  readonly unchecked?: true
}

/**
 * Takes the chunks of one result. A writer ends when it completes, or with its scope: one that is left before it completes
 * keeps what it has, for the next one to resume. After a failed write it takes nothing more.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResultWriter {
  /** What an earlier writer left of this result. */
  readonly resume: ResumePoint | undefined

  /** Takes the next chunk. One at offset 0 after others voids them. */
  readonly write: (chunk: ResultChunk) => Effect.Effect<void, StoreError>

  /**
   * Checks length and MD5 where they were announced, and keeps the result for good. A mismatch discards all of it. The
   * writer has finished, whatever comes of it.
   */
  readonly complete: Effect.Effect<StoredResult, StoreError | TransferError.TransferError>

  /** Gives up: nothing of the result is kept. The writer has finished. */
  readonly discard: Effect.Effect<void, StoreError>
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * Starts to write a result, or resumes it. There is one writer at a time for each result: another call waits until that
   * writer has completed, or its scope has ended, and then sees what it left.
   */
  readonly open: (ref: ResultRef) => Effect.Effect<ResultWriter, StoreError, Scope.Scope>

  /** Whether something that was kept is still there, by its path, and by its size where that is known. */
  readonly has: (stored: {
    readonly path: string
    readonly bytes?: number | undefined
  }) => Effect.Effect<boolean, StoreError>

  /** The bytes of a result that is kept. */
  readonly read: (path: string) => Stream.Stream<Uint8Array, StoreError>

  /** Keeps what was made of a result, beside it: whole, or not at all. Gives its size. One call at a time for each path. */
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
export const kindOf: (start: Uint8Array) => FileName.Kind = Inspection.kindOf

/** One writer at a time for each result and each path, and each ends with what it completes. */
const withLocks = Effect.fnUntraced(function* (store: Service): Effect.fn.Return<Service, never, Scope.Scope> {
  const hold = yield* KeyedLock.make

  const openHeld = Effect.fnUntraced(function* (ref: ResultRef, scope: Scope.Closeable) {
    yield* hold(String(ref))
    const writer = yield* store.open(ref)
    let hasFinished = false
    const unlessFinished = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | StoreError> =>
      Effect.suspend((): Effect.Effect<A, E | StoreError> => (hasFinished ? Effect.fail(finished(ref)) : effect))
    const finishWith = <A, E>(effect: Effect.Effect<A, E>) =>
      unlessFinished(
        Effect.suspend(() => {
          hasFinished = true
          return Effect.onExit(effect, (exit) => Scope.close(scope, exit))
        }),
      )
    return {
      resume: writer.resume,
      write: (chunk: ResultChunk) => unlessFinished(writer.write(chunk)),
      complete: finishWith(writer.complete),
      discard: finishWith(writer.discard),
    }
  })

  return {
    ...store,
    open: Effect.fnUntraced(function* (ref) {
      const scope = yield* Scope.fork(yield* Effect.scope)
      return yield* openHeld(ref, scope).pipe(
        Scope.provide(scope),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
      )
    }),
    keep: (path, bytes) =>
      Effect.scopedWith((scope) => Effect.andThen(Scope.provide(hold(path), scope), store.keep(path, bytes))),
  }
})

const finished = (ref: ResultRef) =>
  new StoreError({ path: String(ref), problem: "Failed", detail: "this writer has finished; open the result again" })

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

    return yield* withLocks({
      open: Effect.fnUntraced(function* (ref) {
        const inspection = Inspection.make(hasher, ref)
        const part = parts.get(String(ref))
        let head = part?.resume.head
        let bytes: Array<Uint8Array> = []
        if (part !== undefined) {
          inspection.start(part.resume.head)
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
                inspection.start(chunk.head)
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
          discard: Effect.sync(() => {
            head = undefined
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
    })
  }),
)

/**
 * What is kept in a directory, to be read alone: another program may be writing there.
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
 * Keeps results as `<directory>/<machineActionId>/<index>.<json|gz|bin>`, the bytes exactly as served. Directories are
 * for their owner alone (0700), and so are files (0600). A directory that another user could change is refused, as
 * `PrivateDirectory.open` does it, and so is each file that is a link.
 *
 * **Details**
 *
 * A result in progress is `<index>.part`, and `<index>.part.json` beside it records what was announced of it and how many
 * of its bytes were flushed to the disk: after a second, and after each 8 MiB. A resume trusts these bytes alone, so
 * neither a crash nor a power cut nor a full disk makes a wrong result, and the last second of a download may come again.
 * A part that an earlier version left starts over. A result is flushed, and as long as what came, before it gets its name.
 *
 * One program at a time may write to a directory: in Node `NodeDirectoryLock` sees to that.
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
      const hash = yield* Hasher
      const directory = yield* PrivateDirectory.open(options.directory)
      yield* Effect.mapError(
        FileSystem.FileSystem.use((fs) => fs.access(directory.realPath, { writable: true })),
        fromPlatformError(options.directory),
      )
      const space = new SpaceWatch(yield* DiskSpace, directory.realPath)
      return yield* withLocks({
        open: (ref) => openWriter({ directory, ref, hash, space }),
        ...reader(directory),
        keep: Effect.fnUntraced(function* (path, bytes) {
          const file = yield* space.start()
          const watched = Stream.tap(bytes, ({ length }) => space.take(file, length))
          return yield* AtomicFile.write(directory, path, watched)
        }, Effect.scoped),
      })
    }),
  )

const openWriter = Effect.fnUntraced(function* ({
  directory,
  hash,
  ref,
  space,
}: {
  readonly directory: PrivateDirectory.PrivateDirectory
  readonly ref: ResultRef
  readonly hash: (algorithm: Algorithm) => Hash
  readonly space: SpaceWatch
}): Effect.fn.Return<ResultWriter, StoreError, Scope.Scope> {
  const part = yield* PartFile.open({
    directory,
    name: FileName.ofResult(ref, "part"),
    record: FileName.ofResult(ref, "part.json"),
  })
  const file = yield* space.start()
  const inspection = Inspection.make(hash, ref)
  const { head } = part
  if (head !== undefined) {
    inspection.start(head)
    yield* Stream.runForEach(PartFile.bytes(part), (bytes) => Effect.sync(() => inspection.add(bytes)))
  }

  const complete = Effect.gen(function* () {
    const size = yield* PartFile.finish(part)
    const stored = yield* inspection.finish(PartFile.bytes(part))
    yield* inspection.checkFile(size)
    yield* PartFile.publish(part, stored.path)
    return stored
  })

  return {
    resume: head === undefined ? undefined : { head, offset: inspection.size },
    write: Effect.fnUntraced(function* (chunk) {
      const { bytes, head, offset } = chunk
      yield* space.take(file, bytes.length, head.length === undefined ? bytes.length : head.length - offset)
      if (offset === 0) {
        inspection.start(head)
        yield* PartFile.exclusively(part)(PartFile.startOver(part))
      }
      inspection.learn(head)
      inspection.add(bytes)
      yield* PartFile.append(part, head, bytes)
    }),
    discard: PartFile.exclusively(part)(PartFile.discard(part)),
    complete: complete.pipe(
      Effect.tapErrorTag("TransferError", () => PartFile.discard(part)),
      PartFile.exclusively(part),
    ),
  }
})
