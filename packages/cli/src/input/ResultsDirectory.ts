/**
 * A directory into which results were downloaded, for commands that read it.
 */
import * as FileName from "@live-response/core/FileName"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Failure from "../Failure.ts"
import * as Lists from "./Lists.ts"

/** Opens it. Where it has no manifest, it is not one. */
export const open = Effect.fnUntraced(function* (directory: string) {
  const { join } = yield* Path.Path
  yield* Effect.mapError(Lists.checkReadable(join(directory, FileName.single.manifest)), ({ message }) =>
    Failure.usage(`${message}; name a directory into which live-response download has written`),
  )
  return yield* PrivateDirectory.open(directory)
})
