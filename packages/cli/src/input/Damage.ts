/**
 * Lines of a directory of results that can't be read. What they recorded is in no count, so each command that counts says so:
 * otherwise one flipped bit would remove a machine unnoticed.
 */
import * as FileName from "@live-response/core/FileName"
import * as JsonLines from "@live-response/core/JsonLines"
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import * as Effect from "effect/Effect"

/** The files whose lines are counted. */
export type File = "manifest" | "actions" | "sessions"

/** How many lines of each file can't be read. */
export type Damaged = Readonly<Record<File, number>>

export const none: Damaged = { manifest: 0, actions: 0, sessions: 0 }

export type OnDamaged = (damaged: JsonLines.DamagedLine) => Effect.Effect<void>

const consequences: Readonly<Record<File, { readonly one: string; readonly many: string }>> = {
  manifest: { one: "its result has no row", many: "their results have no row" },
  actions: {
    one: "its machine may be missing; download again, or restore the file from a copy",
    many: "their machines may be missing; download again, or restore the file from a copy",
  },
  sessions: {
    one: "its machine may be missing; restore the file from a copy",
    many: "their machines may be missing; restore the file from a copy",
  },
}

/** Reads a file, logs one warning if lines of it are damaged, and returns what it has and how many these are. */
export const read = Effect.fnUntraced(function* <A, E, R>(
  files: PrivateDirectory,
  file: File,
  read: (onDamaged: OnDamaged) => Effect.Effect<A, E, R>,
) {
  let damaged = 0
  const found = yield* JsonLines.warnOfDamage(files.pathOf(FileName.single[file]), consequences[file], (onDamaged) =>
    read((line) => {
      damaged++
      return onDamaged(line)
    }),
  )
  return { found, damaged }
})
