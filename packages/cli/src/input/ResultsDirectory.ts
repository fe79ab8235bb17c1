/**
 * A directory of results that a command reads: opens it, and checks that it is one.
 */
import * as FileName from "@live-response/core/FileName"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Failure from "../Failure.ts"
import * as Lists from "./Lists.ts"

/**
 * Opens the directory. Without a manifest it is not a directory of results, which is a usage error; for a command that reads the
 * sessions too, the journal of a run without results is enough.
 */
export const open = Effect.fnUntraced(function* (
  directory: string,
  options: { readonly orJournal?: boolean | undefined } = {},
) {
  const { join } = yield* Path.Path
  const { orJournal = false } = options
  const adviceOn = (message: string) =>
    orJournal
      ? `${message}; name a directory into which live-response download or run has written`
      : `${message}; name a directory into which live-response download or run --download has written`
  const check = (name: string) => Lists.checkReadable(join(directory, name))
  yield* check(FileName.single.manifest).pipe(
    Effect.catch((error) =>
      orJournal ? Effect.mapError(check(FileName.single.sessions), () => error) : Effect.fail(error),
    ),
    Effect.mapError(({ message }) => Failure.usage(adviceOn(message))),
  )
  return yield* PrivateDirectory.open(directory)
})
