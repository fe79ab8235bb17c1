/** Reads one line of a file at a position that was noted before. */
import * as Effect from "effect/Effect"
import type { File } from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import { bytesPerCharacter } from "./lineReader.ts"

/** Most lines are shorter. Of a longer one more is read. */
const usualLength = 4096

/** The text of the line that starts at a position, or of its beginning if it is longer than `longest` characters. */
export const lineAt = Effect.fnUntraced(function* (
  file: File,
  position: number,
  longest: number,
  length: number = usualLength,
): Effect.fn.Return<string, PlatformError> {
  const read = yield* file.readAlloc(length, { position: BigInt(position) })
  const bytes = Option.getOrElse(read, () => new Uint8Array())
  const end = bytes.findIndex((code) => code === 0x0a || code === 0x0d)
  const hasMore = end < 0 && bytes.length === length && length < longest * bytesPerCharacter
  if (hasMore) return yield* lineAt(file, position, longest, length * 16)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
})
