import * as ByteSize from "effect/ByteSize"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

const none = Option.none<never>()

/** What `stat` returns for a file of this many bytes that only its owner may use. `more` replaces fields. */
export const fileInfo = (bytes: number, more?: Partial<FileSystem.File.Info>): FileSystem.File.Info => ({
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
  size: ByteSize.bytes(bytes),
  blksize: none,
  blocks: none,
  ...more,
})
