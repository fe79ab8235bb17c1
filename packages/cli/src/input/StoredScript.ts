/**
 * Reads the script result in a file of a directory of results, and checks that the file is what was downloaded.
 */
import type * as ManifestEntry from "@live-response/core/ManifestEntry"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import { keyOf } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as ScriptResult from "@live-response/core/ScriptResult"
import { isOfOneFile, type StoreError } from "@live-response/core/StoreError"
import * as Verification from "@live-response/core/Verification"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The file is not a script result that can be used: `message` says why. */
export class Unusable extends Schema.TaggedError<Unusable>("@live-response/cli/StoredScript/Unusable")("Unusable", {
  message: Schema.String,
}) {}

/** What the manifest records of the file. */
export type Stored = Pick<ManifestEntry.Completed, "machineActionId" | "index" | "path" | "bytes" | "sha256">

/** Something else in the place of the file concerns this result alone. */
const ofThisFile = (error: StoreError) =>
  Effect.fail(isOfOneFile(error) ? new Unusable({ message: error.description }) : error)

/**
 * The script result in a file, with at most `limit` characters of its output and of its errors. Its content decides what it is: it
 * may be gzip or in another encoding.
 */
export const read = Effect.fnUntraced(
  function* (files: PrivateDirectory, stored: Stored, limit: number) {
    const { bytes, path, sha256 } = stored
    const store = ResultStore.reader(files)
    if (!(yield* store.has({ path, bytes }))) {
      const message = `the file is missing or has another size; download it again: live-response download ${keyOf(stored)}`
      return yield* new Unusable({ message })
    }
    const verified = Verification.whileRead(store.read(path), { bytes, sha256 }, (message) =>
      Effect.fail(new Unusable({ message })),
    )
    return yield* ScriptResult.decodeStream(verified, { limit })
  },
  Effect.catchTags({
    StoreError: ofThisFile,
    ScriptResultError: ({ message }) => Effect.fail(new Unusable({ message })),
  }),
)

/** Whether a command's result is a script's, as far as its type and the file's name say. */
export const isExpected = (type: string, path: string): boolean =>
  type === "RunScript" || (type === "" && path.endsWith(".json"))
