/**
 * Reads the script result in a file of a directory of results, and checks that the file is what was downloaded.
 */
import type { Algorithm, Hash } from "@live-response/core/Hasher"
import type * as ManifestEntry from "@live-response/core/ManifestEntry"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import { keyOf } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as ScriptResult from "@live-response/core/ScriptResult"
import { isOfOneFile, type StoreError } from "@live-response/core/StoreError"
import * as Verification from "@live-response/core/Verification"
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as CommandText from "../output/CommandText.ts"

/** The file is not a script result that can be used: `message` says why. */
export class Unusable extends Schema.TaggedError<Unusable>("@live-response/cli/StoredScript/Unusable")("Unusable", {
  message: Schema.String,
}) {}

/** What the manifest records of the file. */
export type Stored = Pick<ManifestEntry.Completed, "machineActionId" | "index" | "path" | "bytes" | "sha256">

/** In bytes: a file of this length is read whole, which costs less than reading it in pieces. */
const small = 64 * 1024

const decodeWhole = Effect.fnUntraced(function* (files: PrivateDirectory, stored: Stored, limit: number) {
  // One byte more shows that the file is longer, however long it is.
  const chunks = yield* Stream.runCollect(files.read(stored.path, { bytesToRead: stored.bytes + 1 }))
  const bytes = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Bytes.concat(chunks)
  const message = yield* Verification.differenceOf(bytes, stored)
  if (message !== undefined) return yield* new Unusable({ message })
  return yield* ScriptResult.decodeExcerpt(bytes, { limit })
})

const decodeInPieces = (files: PrivateDirectory, stored: Stored, limit: number) =>
  ScriptResult.decodeStream(
    Verification.whileRead(files.read(stored.path), stored, (message) => Effect.fail(new Unusable({ message }))),
    { limit },
  )

/** Fails if the file is missing or has another size, with the next step. */
const checkThere = Effect.fnUntraced(function* (files: PrivateDirectory, stored: Stored) {
  const { bytes, path } = stored
  if (yield* ResultStore.reader(files).has({ path, bytes })) return
  const message = `the file is missing or has another size; download it again: ${CommandText.download(keyOf(stored), files.path)}`
  return yield* new Unusable({ message })
})

/** Something else in the place of the file, and content that is not a script's, concern this result alone. */
const toUnusable = <A, R>(
  effect: Effect.Effect<A, StoreError | ScriptResult.ScriptResultError | Unusable, R>,
): Effect.Effect<A, StoreError | Unusable, R> =>
  Effect.catchTags(effect, {
    StoreError: (error) =>
      isOfOneFile(error) ? Effect.fail(new Unusable({ message: error.description })) : Effect.fail(error),
    ScriptResultError: ({ message }) => Effect.fail(new Unusable({ message })),
  })

/**
 * The script result in a file, with at most `limit` characters of its output and of its errors. Its content decides what it is: it
 * may be gzip or in another encoding.
 */
export const read = (files: PrivateDirectory, stored: Stored, limit: number) => {
  const check = checkThere(files, stored)
  return stored.bytes <= small
    ? // Reading shows that a file is as recorded, so only one that is not costs a second look.
      toUnusable(decodeWhole(files, stored, limit)).pipe(Effect.tapErrorTag("Unusable", () => toUnusable(check)))
    : toUnusable(Effect.andThen(check, decodeInPieces(files, stored, limit)))
}

/**
 * The same at once, for a small file that is as documented, where the program reads files at once. `undefined` where `read`
 * decides.
 */
export const readNow = (
  files: PrivateDirectory,
  hasher: (algorithm: Algorithm) => Hash,
  stored: Stored,
  limit: number,
): typeof ScriptResult.Excerpt.Encoded | undefined => {
  const bytes = stored.bytes <= small ? files.readNow(stored.path, stored.bytes + 1) : undefined
  return bytes === undefined || Verification.differenceWith(hasher, bytes, stored) !== undefined
    ? undefined
    : ScriptResult.excerptOf(bytes, { limit })
}

/** Whether a command's result is a script's, as far as its type and the file's name say. */
export const isExpected = (type: string, path: string): boolean =>
  type === "RunScript" || (type === "" && path.endsWith(".json"))
