import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { type PlatformError, systemError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { fileInfo } from "./fileInfo.ts"

/** An operation of a program: `write`, `sync`, `rename`, … */
export interface Operation {
  readonly method: string
  readonly path: string
}

/**
 * What happens to an operation. An operation that fails has an error code of the system. `short` writes half of the bytes before
 * the disk is full. `crash` ends the program, in a write after half of the bytes.
 */
export type Fault = "none" | "short" | "crash" | "ENOSPC" | "EMFILE" | "EIO" | "EACCES"

/** A disk in memory. */
export interface Disk {
  readonly layer: Layer.Layer<FileSystem.FileSystem | Path.Path>
  /** Contents by path. What a test sets survives a power cut. */
  readonly files: Pick<Map<string, Uint8Array<ArrayBuffer>>, "get" | "set" | "has" | "size">
  readonly paths: () => ReadonlyArray<string>
  /** How many bytes of each file were flushed, whether or not its name was. */
  readonly flushed: Pick<Map<string, number>, "get">
  /** All operations so far. */
  readonly operations: Array<Operation>
  /** How many files are open. */
  readonly openFiles: () => number
  /** How many more bytes fit. A longer write stores only these, and fails. */
  freeBytes: number
  /** Whether a write that exceeds `freeBytes` fails or ends the program. */
  full: "fails" | "dies"
  /** What happens to an operation that would succeed. */
  fault: (operation: Operation) => Fault
  /** Starts another program. The open files of the last one no longer work. */
  readonly restart: () => void
  /** Starts another program after a power cut. Bytes and names that were not flushed may be lost, in whole or in part. */
  readonly powerCut: (roll: () => number) => void
}

/** Lets the first operation of this kind fail. */
export const failOnce = (method: string, fault: Fault): Disk["fault"] => {
  let isDone = false
  return (operation) => {
    if (isDone || operation.method !== method) return "none"
    isDone = true
    return fault
  }
}

type Bytes = Uint8Array<ArrayBuffer>

interface Inode {
  bytes: Bytes
  flushed: Bytes
}

const numberOf = (size: ByteSize.Input | undefined, otherwise: number) =>
  size === undefined ? otherwise : Number(ByteSize.fromInputUnsafe(size))

const dirname = (path: string) => path.slice(0, path.lastIndexOf("/"))

/** How many bytes of a buffer of `appended` are in use. */
const used = new WeakMap<ArrayBuffer, number>()

/**
 * The bytes followed by more, in a buffer with space for as much again: a journal is written a line at a time, and to copy the
 * file for each line takes seconds. Only what follows the last bytes in use is written to the same buffer.
 */
const appended = (bytes: Bytes, more: Uint8Array): Bytes => {
  const length = bytes.length + more.length
  const fits = used.get(bytes.buffer) === bytes.length && length <= bytes.buffer.byteLength
  const all = new Uint8Array(fits ? bytes.buffer : new ArrayBuffer(2 * length), 0, length)
  if (!fits) all.set(bytes)
  all.set(more, bytes.length)
  used.set(all.buffer, length)
  return all
}

const failed = (method: string, code: string) =>
  systemError({ _tag: "Unknown", module: "FileSystem", method, cause: new Error(`${code}: ${method} failed`) })

const missing = (method: string, path: string) =>
  systemError({ _tag: "NotFound", module: "FileSystem", method, pathOrDescriptor: path })

const taken = (path: string) =>
  systemError({ _tag: "AlreadyExists", module: "FileSystem", method: "open", pathOrDescriptor: path })

/** What a power cut may leave: the flushed bytes, the written bytes, or something between with a hole at its end. */
const survivor = ({ bytes, flushed }: Inode, roll: () => number): Bytes => {
  const luck = roll()
  if (luck < 0.3) return flushed
  if (luck >= 0.8) return bytes
  let common = 0
  while (common < Math.min(bytes.length, flushed.length) && bytes[common] === flushed[common]) common++
  const longest = Math.max(bytes.length, flushed.length)
  const left = new Uint8Array(common + Math.floor(roll() * (longest - common + 1)))
  const hole = common + Math.floor(roll() * (left.length - common + 1))
  left.set(bytes.subarray(0, Math.min(hole, left.length)))
  return left
}

export const makeDisk = (): Disk => {
  let names = new Map<string, Inode>()
  /** The names that survive a power cut. */
  let flushedNames = new Map<string, Inode>()
  /** The directories that the program created. A directory that contains a file exists as well. */
  const directories = new Set(["/"])
  let program = 0
  let openFiles = 0

  const settle = (path: string, bytes: Bytes) => {
    for (let above = dirname(path); above !== ""; above = dirname(above)) directories.add(above)
    const inode = { bytes, flushed: bytes }
    names.set(path, inode)
    flushedNames.set(path, inode)
  }

  /** The operations of the program that calls this. They do not work in the next program. */
  const operations = () => {
    const mine = program
    let hasCrashed = false
    return <A>(
      method: string,
      path: string,
      run: (fault: Fault) => Effect.Effect<A, PlatformError>,
    ): Effect.Effect<A, PlatformError> =>
      Effect.suspend(() => {
        if (hasCrashed || mine !== program) return Effect.die("the program has crashed")
        disk.operations.push({ method, path })
        const fault = disk.fault({ method, path })
        if (fault === "none" || method === "write") {
          return Effect.onError(run(fault), () => Effect.sync(() => void (hasCrashed ||= fault === "crash")))
        }
        if (fault !== "crash") return Effect.fail(failed(method, fault === "short" ? "EIO" : fault))
        hasCrashed = true
        return Effect.die("the program has crashed")
      })
  }

  const append = (inode: Inode, bytes: Uint8Array, fault: Fault) =>
    Effect.suspend(() => {
      const half = Math.floor(bytes.length / 2)
      const limit =
        fault === "none" ? disk.freeBytes : fault === "short" || fault === "crash" ? Math.min(half, disk.freeBytes) : 0
      const taken = bytes.subarray(0, limit)
      inode.bytes = appended(inode.bytes, taken)
      disk.freeBytes -= taken.length
      if (fault === "crash") return Effect.die("the program has crashed")
      if (fault === "none" && taken.length === bytes.length) return Effect.void
      if (disk.full === "dies") return Effect.die("the power is gone")
      return Effect.fail(failed("write", fault === "none" || fault === "short" ? "ENOSPC" : fault))
    })

  const unused = Effect.die("this disk does not support the operation")

  const noFile: Omit<FileSystem.File, "stat" | "sync" | "truncate" | "writeAll" | "read" | "readAlloc"> = {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    seek: () => unused,
    write: () => unused,
  }

  const flushNames = (directory: string) => {
    for (const path of new Set([...names.keys(), ...flushedNames.keys()])) {
      if (dirname(path) !== directory) continue
      const inode = names.get(path)
      if (inode === undefined) flushedNames.delete(path)
      else flushedNames.set(path, inode)
    }
  }

  const makeFileSystem = () => {
    const operate = operations()
    const inodeAt = (method: string, path: string) =>
      Effect.suspend(() => Effect.fromOption(Option.fromNullishOr(names.get(path)))).pipe(
        Effect.mapError(() => missing(method, path)),
      )
    const read = (path: string) => operate("read", path, () => Effect.map(inodeAt("read", path), ({ bytes }) => bytes))

    /** The bytes at a position: no program of this project reads without one. */
    const readAt = (path: string, inode: Inode, size: number, options: FileSystem.File.ReadOptions | undefined) =>
      operate("read", path, () =>
        Effect.sync(() => {
          const from = Number(options?.position ?? 0n)
          return inode.bytes.slice(from, from + size)
        }),
      )

    const directoryOf = (path: string): FileSystem.File => ({
      ...noFile,
      stat: unused,
      read: () => unused,
      readAlloc: () => unused,
      sync: operate("syncDirectory", path, () => Effect.sync(() => flushNames(path))),
      writeAll: () => unused,
      truncate: () => unused,
    })

    const fileOf = (path: string, inode: Inode): FileSystem.File => ({
      ...noFile,
      stat: operate("stat", path, () => Effect.sync(() => fileInfo(inode.bytes.length))),
      sync: operate("sync", path, () =>
        Effect.sync(() => {
          inode.flushed = inode.bytes
        }),
      ),
      read: (buffer, options) =>
        Effect.map(readAt(path, inode, buffer.length, options), (bytes) => {
          buffer.set(bytes)
          return bytes.length
        }),
      readAlloc: (size, options) =>
        Effect.map(readAt(path, inode, size, options), (bytes) =>
          bytes.length === 0 ? Option.none() : Option.some(bytes),
        ),
      // Other fibers run during a write, as with any disk.
      writeAll: (bytes) =>
        Effect.andThen(
          Effect.yieldNow,
          operate("write", path, (fault) => append(inode, bytes, fault)),
        ),
      truncate: (length = 0) =>
        Effect.andThen(
          Effect.yieldNow,
          operate("truncate", path, () =>
            Effect.sync(() => {
              inode.bytes = appended(
                inode.bytes.subarray(0, length),
                new Uint8Array(Math.max(0, length - inode.bytes.length)),
              )
            }),
          ),
        ),
    })

    const open = (path: string, flag: FileSystem.OpenFlag): Effect.Effect<FileSystem.File, PlatformError> =>
      Effect.suspend(() => {
        const known = names.get(path)
        if (known === undefined && flag === "r") return Effect.succeed(directoryOf(path))
        if (known !== undefined && flag.includes("x")) return Effect.fail(taken(path))
        const inode = known ?? { bytes: new Uint8Array(), flushed: new Uint8Array() }
        if (flag === "w") inode.bytes = new Uint8Array()
        names.set(path, inode)
        return Effect.succeed(fileOf(path, inode))
      })

    return FileSystem.makeNoop({
      access: () => Effect.void,
      exists: (path) => Effect.sync(() => names.has(path)),
      makeDirectory: (path) => operate("makeDirectory", path, () => Effect.sync(() => void directories.add(path))),
      lstat: (path) =>
        operate("lstat", path, () => {
          const inode = names.get(path)
          if (inode !== undefined) return Effect.succeed(fileInfo(inode.bytes.length))
          const isDirectory =
            directories.has(path) || Array.from(names.keys()).some((name) => name.startsWith(`${path}/`))
          return isDirectory ? Effect.succeed(fileInfo(0, { type: "Directory" })) : Effect.fail(missing("lstat", path))
        }),
      open: (path, options) =>
        Effect.acquireRelease(
          operate("open", path, () => open(path, options?.flag ?? "r")).pipe(
            Effect.tap(() => Effect.sync(() => openFiles++)),
          ),
          () => Effect.sync(() => openFiles--),
        ),
      stat: (path) =>
        operate("stat", path, () => Effect.map(inodeAt("stat", path), ({ bytes }) => fileInfo(bytes.length))),
      readFileString: (path) => Effect.map(read(path), (bytes) => new TextDecoder().decode(bytes)),
      stream: (path, options) =>
        Stream.fromEffect(read(path)).pipe(
          Stream.map((bytes) => {
            const offset = numberOf(options?.offset, 0)
            return bytes.slice(offset, offset + numberOf(options?.bytesToRead, bytes.length))
          }),
        ),
      remove: (path) => operate("remove", path, () => Effect.sync(() => void names.delete(path))),
      rename: (from, to) =>
        operate("rename", from, () =>
          Effect.map(inodeAt("rename", from), (inode) => {
            names.delete(from)
            names.set(to, inode)
          }),
        ),
    })
  }

  const powerCut: Disk["powerCut"] = (roll) => {
    const left = new Map<string, Inode>()
    for (const path of new Set([...names.keys(), ...flushedNames.keys()])) {
      const inode = (roll() < 0.5 ? names : flushedNames).get(path)
      if (inode === undefined) continue
      // A rename is atomic, so a file keeps one of its names.
      const isTwice = Array.from(left.values()).includes(inode)
      if (!isTwice) left.set(path, inode)
    }
    for (const inode of new Set(left.values())) {
      inode.bytes = survivor(inode, roll)
      inode.flushed = inode.bytes
    }
    names = left
    flushedNames = new Map(left)
    program++
  }

  const disk: Disk = {
    layer: Layer.merge(Layer.sync(FileSystem.FileSystem, makeFileSystem), Path.layer),
    files: {
      get: (path) => names.get(path)?.bytes,
      set: (path, bytes) => {
        settle(path, bytes)
        return new Map()
      },
      has: (path) => names.has(path),
      get size() {
        return names.size
      },
    },
    paths: () => Array.from(names.keys()),
    flushed: { get: (path) => names.get(path)?.flushed.length },
    operations: [],
    openFiles: () => openFiles,
    freeBytes: Infinity,
    full: "fails",
    fault: () => "none",
    restart: () => void program++,
    powerCut,
  }
  return disk
}
