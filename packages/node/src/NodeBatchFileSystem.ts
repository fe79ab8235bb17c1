/**
 * The file system for programs that read very many small files, and do nothing else meanwhile.
 *
 * @since 0.1.0
 */
import * as NFS from "node:fs"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** In bytes: a larger file is read in pieces. */
const longestDirect = 64 * 1024

const typeOf = (stats: NFS.BigIntStats): FileSystem.File.Type => {
  if (stats.isFile()) return "File"
  if (stats.isDirectory()) return "Directory"
  return stats.isSymbolicLink() ? "SymbolicLink" : "Unknown"
}

const infoOf = (stats: NFS.BigIntStats): FileSystem.File.Info => ({
  type: typeOf(stats),
  mtime: Option.some(stats.mtime),
  atime: Option.some(stats.atime),
  birthtime: Option.some(stats.birthtime),
  dev: stats.dev,
  rdev: Option.some(stats.rdev),
  ino: Option.some(stats.ino),
  mode: Number(stats.mode),
  nlink: Option.some(stats.nlink),
  uid: Option.some(Number(stats.uid)),
  gid: Option.some(Number(stats.gid)),
  size: ByteSize.bytes(stats.size),
  blksize: Option.some(ByteSize.bytes(stats.blksize)),
  blocks: Option.some(stats.blocks),
})

/** The type and the size of what has a name, if a direct call says so. */
const infoAt = (path: string): FileSystem.File.Info | undefined => {
  try {
    const stats = NFS.lstatSync(path, { bigint: true })
    // What is rare is described as Effect describes it.
    return typeOf(stats) === "Unknown" ? undefined : infoOf(stats)
  } catch {
    return undefined
  }
}

/** The first bytes of a file, all of them if it has at most `longestDirect`, if direct calls read them. */
const readDirectly = (path: string, bytesToRead: number): Uint8Array | undefined => {
  let file: number | undefined
  try {
    // A named pipe would block a call that opens it to wait for its writer.
    file = NFS.openSync(path, NFS.constants.O_RDONLY | (NFS.constants.O_NONBLOCK ?? 0))
    const stats = NFS.fstatSync(file)
    const size = Math.min(stats.size, bytesToRead)
    if (!stats.isFile() || size > longestDirect) return undefined
    // From Node's pool, because many small blocks of memory fragment it.
    const bytes = Buffer.allocUnsafe(size)
    return NFS.readSync(file, bytes, 0, size, 0) === size ? bytes : undefined
  } catch {
    return undefined
  } finally {
    if (file !== undefined) NFS.closeSync(file)
  }
}

const make = (original: FileSystem.FileSystem): FileSystem.FileSystem => ({
  ...original,
  lstat: (path) =>
    Effect.suspend(() => {
      const info = infoAt(path)
      return info === undefined ? original.lstat(path) : Effect.succeed(info)
    }),
  stream: (path, options) => {
    if (options?.offset !== undefined || options?.chunkSize !== undefined) return original.stream(path, options)
    const { bytesToRead } = options ?? {}
    return Stream.suspend(() => {
      const most = bytesToRead === undefined ? Infinity : Number(ByteSize.fromInputUnsafe(bytesToRead))
      const bytes = readDirectly(path, most)
      if (bytes === undefined) return original.stream(path, options)
      return bytes.length === 0 ? Stream.empty : Stream.succeed(bytes)
    })
  },
})

/**
 * Effect's file system of Node, which inspects files, and reads those of at most 64 KiB, with direct calls.
 *
 * **Details**
 *
 * Handing a call to a thread of Node's pool and back costs 30 to 60 µs of CPU, the call itself 5. A call that fails is
 * repeated as Effect makes it, so that its error is Effect's own.
 *
 * **Gotchas**
 *
 * The whole process waits for the disk. Do not use it while downloads are in progress in the same process.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<FileSystem.FileSystem> = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(FileSystem.FileSystem, make),
).pipe(Layer.provide(NodeFileSystem.layer))
