/**
 * Files of this machine that are uploaded to the library.
 */
import * as LibraryFile from "@live-response/core/LibraryFile"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { type Failure, usage } from "../Failure.ts"
import * as Format from "../output/Format.ts"
import { printable } from "../output/Printable.ts"
import * as LibraryName from "./LibraryName.ts"

/** A file whose bytes are read each time that they are needed. */
export interface LocalFile {
  readonly path: string
  /** The last part of the path: the file's name in the library. */
  readonly fileName: string
  readonly content: Stream.Stream<Uint8Array, Failure>
}

const why = ({ message, reason }: PlatformError.PlatformError): string =>
  reason._tag === "NotFound" ? "there is no such file" : message

/** The failure of a file that can't be read. */
export const unreadable = (path: string) => (error: PlatformError.PlatformError) =>
  usage(`can't read ${printable(path)}: ${printable(why(error))}`)

/** Refuses files of which one would replace the other in the library. */
export const checkNames = (texts: ReadonlyArray<string>): Effect.Effect<void, Failure> => {
  const clash = LibraryName.clash(texts)
  return clash === undefined
    ? Effect.void
    : Effect.fail(
        usage(
          `${clash.map(printable).join(" and ")} would have the same name in the library; rename one, or leave one out`,
        ),
      )
}

/** Opens a file that the library would accept. Nothing of it is read yet. */
export const open = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem
  const { size, type } = yield* Effect.mapError(fs.stat(path), unreadable(path))
  if (type !== "File") return yield* usage(`can't read ${printable(path)}: it is not a file`)
  if (size > LibraryFile.largest) {
    return yield* usage(
      `${printable(path)} is too large: the library accepts ${Format.count(LibraryFile.largest / 1024 / 1024)} MB at most through the API; upload it in the Microsoft Defender portal`,
    )
  }
  const content = Stream.mapError(fs.stream(path), unreadable(path))
  return { path, fileName: LibraryName.of(path), content } satisfies LocalFile
})
