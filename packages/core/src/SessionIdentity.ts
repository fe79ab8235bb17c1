/**
 * Which earlier run a session continues, without a store: every journal decides by this rule, so that no store runs a script
 * twice where another one would not.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Equal from "effect/Equal"
import { type Command, PutFile, RunScript, type Session } from "./Session.ts"

/**
 * What makes a session the same one: what it does, and why.
 *
 * @since 0.1.0
 * @category models
 */
export type Described = Pick<Session, "commands" | "comment">

/**
 * A session that a journal has opened before, and the id of its run. Several of them may have one id.
 *
 * @since 0.1.0
 * @category models
 */
export interface Known extends Described {
  readonly run: string
}

/**
 * Whether two sessions have the same commands, with the same content, and the same comment.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isSame = (one: Described, other: Described): boolean =>
  one.comment === other.comment && Equal.equals(one.commands, other.commands)

const withoutHash = (command: Command): Command => {
  if (command._tag !== "PutFile" && command._tag !== "RunScript") return command
  const { sha256: _, ...named } = command
  return named._tag === "PutFile" ? PutFile.make(named) : RunScript.make(named)
}

/** The session as a journal has it that does not know the content of its files. */
const withoutHashes = ({ commands, comment }: Described): Described => ({
  commands: Arr.map(commands, withoutHash),
  comment,
})

/** A command without the content of its file, whose name has no case: without the library nobody knows its spelling. */
const withoutSpelling = (command: Command): Command => {
  const unhashed = withoutHash(command)
  switch (unhashed._tag) {
    case "PutFile":
      return PutFile.make({ ...unhashed, fileName: unhashed.fileName.toLowerCase() })
    case "RunScript":
      return RunScript.make({ ...unhashed, scriptName: unhashed.scriptName.toLowerCase() })
    default:
      return unhashed
  }
}

/** Whether a command is the stored one, as far as it says which content its file has. */
const isStored = (command: Command, stored: Command): boolean =>
  Equal.equals(command, withoutHash(command))
    ? Equal.equals(withoutSpelling(command), withoutSpelling(stored))
    : Equal.equals(command, stored)

const sameAs = (known: ReadonlyArray<Known>, session: Described): Known | undefined =>
  known.find((each) => isSame(each, session))

/** The last run of a session that does not say which content all of its files have: the library could not be read. */
const unknownRunOf = (known: ReadonlyArray<Known>, { commands, comment }: Described): string | undefined =>
  known.findLast(
    (each) =>
      each.comment === comment &&
      each.commands.length === commands.length &&
      each.commands.every((stored, i) => {
        const command = commands[i]
        return command !== undefined && isStored(command, stored)
      }),
  )?.run

/** The run of an earlier version, which did not store the content of files, unless a content has taken it up. */
const unhashedRunOf = (known: ReadonlyArray<Known>, session: Described): string | undefined => {
  const unhashed = withoutHashes(session)
  const run = sameAs(known, unhashed)?.run
  const isTaken = known.some((each) => each.run === run && !isSame(each, unhashed))
  return isTaken ? undefined : run
}

/**
 * The id of the run that a session continues, or `undefined` if it is a new one. `known` are the sessions of the journal, the
 * oldest first.
 *
 * **Details**
 *
 * A session continues the run with its commands, the content of its files and its comment. A session that does not say which
 * content its files have, because the library could not be read, continues the last run with these commands, whatever the case
 * of the names. A session that says so continues a run that was stored without any content, unless another content has
 * continued that run.
 *
 * @since 0.1.0
 * @category decisions
 */
export const runOf = (known: ReadonlyArray<Known>, session: Described): string | undefined =>
  sameAs(known, session)?.run ?? unknownRunOf(known, session) ?? unhashedRunOf(known, session)

const fileOf = (command: Command) => {
  switch (command._tag) {
    case "PutFile":
      return { name: command.fileName, sha256: command.sha256 }
    case "RunScript":
      return { name: command.scriptName, sha256: command.sha256 }
    default:
      return undefined
  }
}

/**
 * The files of a session whose content is not what the last run with the same commands and the same comment had. None where the
 * session continues a run.
 *
 * @since 0.1.0
 * @category decisions
 */
export const changedFiles = (known: ReadonlyArray<Known>, session: Described): ReadonlyArray<string> => {
  if (runOf(known, session) !== undefined) return []
  const unhashed = withoutHashes(session)
  const last = known.findLast((each) => isSame(withoutHashes(each), unhashed))
  if (last === undefined) return []
  return session.commands.flatMap((command, i) => {
    const [file, earlier] = [fileOf(command), last.commands[i]]
    return file === undefined || earlier === undefined || fileOf(earlier)?.sha256 === file.sha256 ? [] : [file.name]
  })
}
