/**
 * A directory of results that a command reads: opens it, and checks that it is one.
 */
import * as FileName from "@live-response/core/FileName"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Failure from "../Failure.ts"
import * as Lists from "./Lists.ts"

/** Opens the directory. Without a manifest it is not a directory of results, which is a usage error. */
export const open = Effect.fnUntraced(function* (directory: string) {
  const { join } = yield* Path.Path
  yield* Effect.mapError(Lists.checkReadable(join(directory, FileName.single.manifest)), ({ message }) =>
    Failure.usage(`${message}; name a directory into which live-response download has written`),
  )
  return yield* PrivateDirectory.open(directory)
})
