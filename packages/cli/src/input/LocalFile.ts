/**
 * Files of this machine that are uploaded to the library.
 */
import * as LibraryFile from "@live-response/core/LibraryFile"
import * as StoreError from "@live-response/core/StoreError"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { type Failure, usage } from "../Failure.ts"
import * as Format from "../output/Format.ts"
import { printable } from "../output/Printable.ts"
import * as LibraryName from "./LibraryName.ts"

/** A file, which is read once: what is compared with the library is what is sent. */
export interface LocalFile {
  readonly path: string
  /** The last part of the path: the file's name in the library. */
  readonly fileName: string
  readonly bytes: Uint8Array
}

/** The failure of a file that can't be read. */
export const unreadable = (path: string) => (error: PlatformError.PlatformError) =>
  usage(`can't read ${printable(path)}: ${printable(StoreError.describe(error))}`)

/** Refuses files of which one would replace the other in the library. `isLocal` says which are of this machine. */
export const checkNames = (
  texts: ReadonlyArray<string>,
  isLocal?: (text: string) => boolean,
): Effect.Effect<void, Failure> => {
  const clash = LibraryName.clash(texts, isLocal)
  return clash === undefined
    ? Effect.void
    : Effect.fail(
        usage(
          `${clash.map(printable).join(" and ")} would have the same name in the library; rename one, or leave one out`,
        ),
      )
}

const tooLarge = (path: string) =>
  usage(
    `${printable(path)} is too large: the library accepts ${Format.count(LibraryFile.largest / 1024 / 1024)} MB at most through the API; upload it in the Microsoft Defender portal`,
  )

/** Reads a file that the library would accept. */
export const read = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const { size, type } = yield* Effect.mapError(fs.stat(path), unreadable(path))
  if (type !== "File") return yield* usage(`can't read ${printable(path)}: it is not a file`)
  if (size > LibraryFile.largest) return yield* tooLarge(path)
  // It may grow meanwhile.
  const chunks = yield* Stream.runCollect(fs.stream(path, { bytesToRead: LibraryFile.largest + 1 })).pipe(
    Effect.mapError(unreadable(path)),
  )
  const bytes = Buffer.concat(chunks)
  if (bytes.length > LibraryFile.largest) return yield* tooLarge(path)
  return { path, fileName: LibraryName.of(path), bytes } satisfies LocalFile
})
