import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { systemError } from "effect/PlatformError"
import * as Stream from "effect/Stream"

/** A disk in memory for files that are appended to. */
export interface Disk {
  readonly layer: Layer.Layer<FileSystem.FileSystem | Path.Path>
  readonly files: Map<string, Uint8Array<ArrayBuffer>>
  /** How much of each file would be there after a power cut. */
  readonly flushed: Map<string, number>
  /** So many more bytes are taken; of a write that is longer only these, and it fails. */
  room: number
  /** What becomes of a write for which there is no room: an error, or the end of the program. */
  full: "fails" | "dies"
}

const none = Option.none<never>()

const infoOf = (bytes: Uint8Array): FileSystem.File.Info => ({
  type: "File",
  mtime: none,
  atime: none,
  birthtime: none,
  dev: 1n,
  ino: none,
  mode: 0o600,
  nlink: none,
  uid: none,
  gid: none,
  rdev: none,
  size: ByteSize.bytes(bytes.length),
  blksize: none,
  blocks: none,
})

const offsetOf = (offset: ByteSize.Input = 0) => Number(ByteSize.fromInputUnsafe(offset))

export const makeDisk = (): Disk => {
  const files: Disk["files"] = new Map()
  const flushed: Disk["flushed"] = new Map()
  const of = (path: string) => files.get(path) ?? new Uint8Array()

  const append = (path: string, bytes: Uint8Array) =>
    Effect.suspend(() => {
      const taken = bytes.subarray(0, disk.room)
      files.set(path, Uint8Array.from([...of(path), ...taken]))
      disk.room -= taken.length
      if (taken.length === bytes.length) return Effect.void
      if (disk.full === "dies") return Effect.die("the power is gone")
      const cause = new Error("ENOSPC: no space left on device")
      return Effect.fail(systemError({ _tag: "Unknown", module: "FileSystem", method: "writeAll", cause }))
    })

  const unused = Effect.die("not of use here")

  const open = (path: string): FileSystem.File => {
    if (!files.has(path)) files.set(path, new Uint8Array())
    return {
      [FileSystem.FileTypeId]: FileSystem.FileTypeId,
      stat: Effect.sync(() => infoOf(of(path))),
      sync: Effect.sync(() => void flushed.set(path, of(path).length)),
      // Others get a turn while it is written, as on any disk.
      writeAll: (bytes) => Effect.andThen(Effect.yieldNow, append(path, bytes)),
      seek: () => unused,
      read: () => unused,
      readAlloc: () => unused,
      truncate: () => unused,
      write: () => unused,
    }
  }

  const fs = FileSystem.layerNoop({
    exists: (path) => Effect.sync(() => files.has(path)),
    makeDirectory: () => Effect.void,
    open: (path) => Effect.sync(() => open(path)),
    stream: (path, options) => Stream.suspend(() => Stream.make(of(path).slice(offsetOf(options?.offset)))),
  })
  const disk: Disk = { layer: Layer.merge(fs, Path.layer), files, flushed, room: Infinity, full: "fails" }
  return disk
}
