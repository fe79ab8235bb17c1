/**
 * A file that a command writes where its user says. Nothing else of that name is replaced: a slip of the hand must not cost a
 * manifest.
 */
import * as FileName from "@live-response/core/FileName"
import { Platform } from "@live-response/core/Platform"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Failure from "../Failure.ts"

export interface OutputFile {
  readonly directory: PrivateDirectory.PrivateDirectory
  readonly name: string
}

/** What the command writes: its name for messages, and how such a file begins. */
export interface Format {
  readonly noun: string
  readonly start: string
}

/** Files of live-response. A report may be replaced by another one. */
const names: ReadonlySet<string> = new Set(
  Object.values(FileName.single)
    .filter((name) => name !== FileName.single.report)
    .flatMap(FileName.ofDatabase),
)

/** Opens the directory of a file, and checks that only a file of the same format would be replaced. */
export const open = Effect.fnUntraced(function* (path: string, { noun, start }: Format) {
  const { basename, dirname } = yield* Path.Path
  const name = basename(path)
  if (names.has((yield* Platform).canonicalName(name))) {
    return yield* Failure.usage(`${path}: live-response itself has a file of this name; choose another name`)
  }
  const directory = yield* PrivateDirectory.open(dirname(path))
  const isDirectory =
    ["", ".", ".."].includes(name) || Option.exists(yield* directory.info(name), ({ type }) => type === "Directory")
  if (isDirectory) {
    return yield* Failure.usage(`${path} is a directory; name a file, which may be in it`)
  }
  const found = yield* directory.readString(name, start.length)
  if (Option.exists(found, (text) => text !== "" && text !== start)) {
    return yield* Failure.usage(`${path} exists and is not ${noun}; choose another name, or remove it`)
  }
  return { directory, name } satisfies OutputFile
})
