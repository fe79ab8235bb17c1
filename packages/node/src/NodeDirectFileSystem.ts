/**
 * Effect's `FileSystem` of Node with cheaper calls: short ones run directly, or fewer run on the pool.
 *
 * @since 0.1.0
 */
import * as NFS from "node:fs"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { DirectFiles } from "@live-response/core/DirectFiles"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type PlatformError, systemError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** In bytes: what is longer is written on the pool, because the system may have to write other bytes to the disk first. */
const longestDirectWrite = 64 * 1024

/** In bytes: a longer file is read in pieces. */
const longestDirectRead = 64 * 1024

const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = NFS.constants

/** The flags that files and directories of results are opened with. */
const flagBits: Partial<Record<FileSystem.OpenFlag, number>> = {
  r: O_RDONLY,
  wx: O_CREAT | O_WRONLY | O_EXCL,
  "a+": O_APPEND | O_CREAT | O_RDWR,
  "ax+": O_APPEND | O_CREAT | O_RDWR | O_EXCL,
}

type Stats = NFS.Stats | NFS.BigIntStats

const typeOf = (stats: Stats): FileSystem.File.Type => {
  if (stats.isFile()) return "File"
  if (stats.isDirectory()) return "Directory"
  if (stats.isSymbolicLink()) return "SymbolicLink"
  if (stats.isBlockDevice()) return "BlockDevice"
  if (stats.isCharacterDevice()) return "CharacterDevice"
  if (stats.isFIFO()) return "FIFO"
  return stats.isSocket() ? "Socket" : "Unknown"
}

/** Each value is created when it is read: a result is looked at some twenty times, and a check reads two or three of them. */
class DirectInfo implements FileSystem.File.Info {
  private readonly stats: Stats

  constructor(stats: Stats) {
    this.stats = stats
  }

  get type() {
    return typeOf(this.stats)
  }
  get mtime() {
    return Option.some(this.stats.mtime)
  }
  get atime() {
    return Option.some(this.stats.atime)
  }
  get birthtime() {
    return Option.some(this.stats.birthtime)
  }
  get dev() {
    return BigInt(this.stats.dev)
  }
  get rdev() {
    return Option.some(BigInt(this.stats.rdev))
  }
  get ino() {
    return Option.some(BigInt(this.stats.ino))
  }
  get mode() {
    return Number(this.stats.mode)
  }
  get nlink() {
    return Option.some(BigInt(this.stats.nlink))
  }
  get uid() {
    return Option.some(Number(this.stats.uid))
  }
  get gid() {
    return Option.some(Number(this.stats.gid))
  }
  get size() {
    return ByteSize.bytes(this.stats.size)
  }
  get blksize() {
    return Option.some(ByteSize.bytes(this.stats.blksize))
  }
  get blocks() {
    return Option.some(BigInt(this.stats.blocks))
  }
}

/** Whether numbers hold what identifies a file: file systems may use all 64 bits. What is larger is rounded to an unsafe one. */
const isExact = ({ dev, ino, size }: NFS.Stats): boolean =>
  Number.isSafeInteger(dev) && Number.isSafeInteger(ino) && Number.isSafeInteger(size)

/** Numbers cost half of what big integers do. */
const fstat = (fd: number): DirectInfo => {
  const stats = NFS.fstatSync(fd)
  return new DirectInfo(isExact(stats) ? stats : NFS.fstatSync(fd, { bigint: true }))
}

/** Nothing where there is nothing. */
const lstat = (path: string): DirectInfo | undefined => {
  const stats = NFS.lstatSync(path, { throwIfNoEntry: false })
  const exact =
    stats === undefined || isExact(stats) ? stats : NFS.lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return exact && new DirectInfo(exact)
}

const lstatNow = (path: string): DirectInfo | "missing" | undefined => {
  try {
    return lstat(path) ?? "missing"
  } catch {
    return undefined
  }
}

const failed = (method: string, fd: number, cause: unknown) =>
  systemError({ _tag: "Unknown", module: "FileSystem", method, pathOrDescriptor: fd, cause })

/** That a file is missing is an ordinary answer, and the stack of an error costs three times the call. */
const missing = (path: string) => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const error = systemError({ _tag: "NotFound", module: "FileSystem", method: "lstat", pathOrDescriptor: path })
  Error.stackTraceLimit = stackTraceLimit
  return error
}

type Callback<A> = (cause: NodeJS.ErrnoException | null, value: A) => void

/** Makes a call on the pool. */
const onPool = <A>(method: string, fd: number, call: (done: Callback<A>) => void): Effect.Effect<A, PlatformError> =>
  Effect.callback((resume) =>
    call((cause, value) => resume(cause === null ? Effect.succeed(value) : Effect.fail(failed(method, fd, cause)))),
  )

const direct = <A>(method: string, fd: number, call: () => A): Effect.Effect<A, PlatformError> =>
  Effect.try({ try: call, catch: (cause) => failed(method, fd, cause) })

/** Makes a call directly, or as Effect makes it where that fails. */
const directOr = <A, E, R>(call: () => A, otherwise: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const made = Result.try(call)
    return Result.isSuccess(made) ? Effect.succeed(made.success) : otherwise
  })

/** An open file. Without the append flag, writes continue where the last write or read ended, as Effect's do. */
class DirectFile implements FileSystem.File {
  readonly [FileSystem.FileTypeId]: typeof FileSystem.FileTypeId = FileSystem.FileTypeId
  readonly fd: number
  private readonly appends: boolean
  private position = 0n
  /** Whether bytes were written since the last flush, for which closing the file may wait. */
  private isDirty = false

  constructor(fd: number, appends: boolean) {
    this.fd = fd
    this.appends = appends
  }

  get stat() {
    return direct("stat", this.fd, () => fstat(this.fd))
  }

  get sync() {
    return Effect.map(
      onPool<void>("sync", this.fd, (done) => NFS.fsync(this.fd, (cause) => done(cause))),
      () => {
        this.isDirty = false
      },
    )
  }

  get close(): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.orDie(
        this.isDirty
          ? onPool<void>("close", this.fd, (done) => NFS.close(this.fd, (cause) => done(cause ?? null)))
          : direct("close", this.fd, () => NFS.closeSync(this.fd)),
      ),
    )
  }

  seek(offset: bigint, from: FileSystem.SeekMode) {
    return Effect.sync(() => {
      this.position = from === "start" ? offset : this.position + offset
      return this.position
    })
  }

  read(buffer: Uint8Array, options?: FileSystem.File.ReadOptions) {
    return Effect.suspend(() => {
      const position = options?.position ?? this.position
      const read = onPool<number>("read", this.fd, (done) => NFS.read(this.fd, { buffer, position }, done))
      return options?.position === undefined
        ? Effect.tap(read, (length) => Effect.sync(() => (this.position = position + BigInt(length))))
        : read
    })
  }

  readAlloc(size: number, options?: FileSystem.File.ReadOptions) {
    return Effect.suspend(() => {
      const buffer = new Uint8Array(size)
      return Effect.map(this.read(buffer, options), (length) =>
        length === 0 ? Option.none() : Option.some(buffer.subarray(0, length)),
      )
    })
  }

  truncate(length = 0) {
    return Effect.map(
      onPool<void>("truncate", this.fd, (done) => NFS.ftruncate(this.fd, length, (cause) => done(cause))),
      () => {
        if (this.position > BigInt(length)) this.position = BigInt(length)
      },
    )
  }

  write(bytes: Uint8Array): Effect.Effect<number, PlatformError> {
    return Effect.suspend(() => {
      const position = this.appends ? null : Number(this.position)
      this.isDirty = true
      const written =
        bytes.length <= longestDirectWrite
          ? direct("write", this.fd, () => NFS.writeSync(this.fd, bytes, 0, bytes.length, position))
          : onPool<number>("write", this.fd, (done) => NFS.write(this.fd, bytes, 0, bytes.length, position, done))
      return Effect.map(written, (length) => {
        if (!this.appends) this.position += BigInt(length)
        return length
      })
    })
  }

  writeAll(bytes: Uint8Array): Effect.Effect<void, PlatformError> {
    if (bytes.length === 0) return Effect.void
    return Effect.flatMap(this.write(bytes), (length) =>
      length === 0
        ? Effect.fail(failed("writeAll", this.fd, new Error("no byte of it was written")))
        : this.writeAll(bytes.subarray(length)),
    )
  }
}

const openWith =
  (fs: FileSystem.FileSystem): FileSystem.FileSystem["open"] =>
  (path, options = {}) => {
    const { flag = "r", mode, noFollow } = options
    const bits = flagBits[flag]
    if (bits === undefined) return fs.open(path, options)
    const flags = noFollow === true ? bits | O_NOFOLLOW : bits
    // `Effect.acquireRelease` copies the context for a release that may need it, and closing a file needs nothing.
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.scope, (scope) => {
        const opened = Result.try(() => new DirectFile(NFS.openSync(path, flags, mode), flag.startsWith("a")))
        return Result.isSuccess(opened)
          ? Effect.as(Scope.addFinalizer(scope, opened.success.close), opened.success)
          : restore(fs.open(path, options))
      }),
    )
  }

const lstatWith =
  (fs: FileSystem.FileSystem): FileSystem.FileSystem["lstat"] =>
  (path) =>
    Effect.suspend(() => {
      const info = Result.try(() => lstat(path))
      if (Result.isFailure(info)) return fs.lstat(path)
      return info.success === undefined ? Effect.fail(missing(path)) : Effect.succeed(info.success)
    })

/** Removes an empty directory, or a file that is short: the system may have to read from the disk where a long one is. */
const isRemovedAtOnce = (path: string, isDirectory: boolean): boolean => {
  try {
    if (isDirectory) NFS.rmdirSync(path)
    else if (NFS.lstatSync(path).size > longestDirectWrite) return false
    else NFS.unlinkSync(path)
    return true
  } catch {
    return false
  }
}

const make = (fs: FileSystem.FileSystem): FileSystem.FileSystem => ({
  ...fs,
  open: openWith(fs),
  lstat: lstatWith(fs),
  makeDirectory: (path, options) =>
    options?.recursive === true
      ? fs.makeDirectory(path, options)
      : directOr(
          () => {
            NFS.mkdirSync(path, options?.mode)
          },
          fs.makeDirectory(path, options),
        ),
  rename: (from, to) => directOr(() => NFS.renameSync(from, to), fs.rename(from, to)),
  // Node's `rm` looks at the path twice, in three calls on the pool.
  remove: (path, options) =>
    Effect.suspend(() => (isRemovedAtOnce(path, options?.recursive === true) ? Effect.void : fs.remove(path, options))),
})

const flushDirectory = (path: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const directory = Result.try(() => NFS.openSync(path, O_RDONLY))
    if (Result.isFailure(directory)) return resume(Effect.succeed(false))
    // It closes the directory also where nobody waits for it any more.
    NFS.fsync(directory.success, (cause) => {
      const closed = Result.try(() => NFS.closeSync(directory.success))
      resume(Effect.succeed(cause === null && Result.isSuccess(closed)))
    })
  })

/** The first bytes of a file, all of them if it has at most `longestDirectRead`, if direct calls read them. */
const readDirectly = (path: string, bytesToRead: number): Uint8Array | undefined => {
  let file: number | undefined
  try {
    // A named pipe would block a call that opens it to wait for its writer.
    file = NFS.openSync(path, O_RDONLY | (O_NONBLOCK ?? 0))
    const stats = NFS.fstatSync(file)
    const size = Math.min(stats.size, bytesToRead)
    if (!stats.isFile() || size > longestDirectRead) return undefined
    // From Node's pool, because many small blocks of memory fragment it.
    const bytes = Buffer.allocUnsafe(size)
    return NFS.readSync(file, bytes, 0, size, 0) === size ? bytes : undefined
  } catch {
    return undefined
  } finally {
    if (file !== undefined) NFS.closeSync(file)
  }
}

const streamWith =
  (fs: FileSystem.FileSystem): FileSystem.FileSystem["stream"] =>
  (path, options = {}) => {
    const { bytesToRead, chunkSize, offset } = options
    if (offset !== undefined || chunkSize !== undefined) return fs.stream(path, options)
    return Stream.suspend(() => {
      const most = bytesToRead === undefined ? Infinity : Number(ByteSize.fromInputUnsafe(bytesToRead))
      const bytes = readDirectly(path, most)
      if (bytes === undefined) return fs.stream(path, options)
      return bytes.length === 0 ? Stream.empty : Stream.succeed(bytes)
    })
  }

/**
 * The `FileSystem` of Node for many small files: calls that only read or change names run directly.
 *
 * **When to use**
 *
 * Use it for files on the disks of this machine. `NodeLiveResponse.layer` opens the directory of results with it.
 *
 * **Details**
 *
 * Handing a call such as `lstat` to a thread of Node's pool and back costs 30 to 60 µs of CPU; the call itself costs 5. So
 * `lstat`, `open`, `rename`, `makeDirectory`, closing a file, and writes and removals of at most 64 KiB run directly. What may
 * wait for the disk still runs on the pool: flushing, reading, longer writes, and closing a file that was not flushed. A call
 * that fails is repeated as Effect makes it, so that its error is Effect's own. `DirectFiles` has `lstat` for the checks of a
 * `PrivateDirectory`, and reads no file at once.
 *
 * **Gotchas**
 *
 * On a network file system that does not answer, such a call blocks the whole process, where Effect's own would block a
 * thread.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<FileSystem.FileSystem> = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, make),
).pipe(
  Layer.provide(NodeFileSystem.layer),
  // A program with downloads in progress does not wait for the disk to read a file.
  Layer.merge(Layer.succeed(DirectFiles, { lstat: lstatNow, read: () => undefined, flushDirectory })),
)

/** Node's `rm` looks at the path twice. What fails is done as Effect does it, so that its error is Effect's own. */
const unlinkWith =
  (fs: FileSystem.FileSystem): FileSystem.FileSystem["remove"] =>
  (path, options) =>
    options?.recursive === true
      ? fs.remove(path, options)
      : Effect.callback((resume) =>
          NFS.unlink(path, (cause) => resume(cause === null ? Effect.void : fs.remove(path, options))),
        )

/**
 * The `FileSystem` of Node for a directory that machines share: every call runs on the pool, and a file is removed in one call instead
 * of three.
 *
 * **When to use**
 *
 * Use it for files on a network file system, which may not answer. `NodeObjectStore` uses it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerShared: Layer.Layer<FileSystem.FileSystem> = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs) => ({ ...fs, remove: unlinkWith(fs) })),
).pipe(Layer.provide(NodeFileSystem.layer))

/**
 * `layer`, which reads files of at most 64 KiB directly too, and the same calls without Effect (`DirectFiles`).
 *
 * **When to use**
 *
 * Use it for a program that reads very many small files and does nothing else meanwhile.
 *
 * **Gotchas**
 *
 * The whole process waits for the disk. Do not use it while downloads are in progress in the same process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBatch: Layer.Layer<FileSystem.FileSystem> = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, (fs) => ({ ...fs, stream: streamWith(fs) })),
).pipe(
  Layer.provide(layer),
  Layer.merge(Layer.succeed(DirectFiles, { lstat: lstatNow, read: readDirectly, flushDirectory })),
)
