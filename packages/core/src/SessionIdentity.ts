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

/** A command whose file has a name without case, as in the library: a file that is uploaded again may be spelled otherwise. */
const withoutSpelling = (command: Command): Command => {
  switch (command._tag) {
    case "PutFile":
      return PutFile.make({ ...command, fileName: command.fileName.toLowerCase() })
    case "RunScript":
      return RunScript.make({ ...command, scriptName: command.scriptName.toLowerCase() })
    default:
      return command
  }
}

/** The session without the content of its files and the spelling of their names. */
const namesOf = ({ commands, comment }: Described): Described => ({
  commands: Arr.map(commands, (command) => withoutSpelling(withoutHash(command))),
  comment,
})

/** Whether a command is the stored one, as far as it says which content its file has. */
const isStored = (command: Command, stored: Command): boolean =>
  Equal.equals(
    withoutSpelling(command),
    withoutSpelling(Equal.equals(command, withoutHash(command)) ? withoutHash(stored) : stored),
  )

const sameAs = (known: ReadonlyArray<Known>, session: Described): Known | undefined =>
  known.find((each) => isSame(each, session))

/** The last run of a session in another spelling, or whose content is not known because the library could not be read. */
const storedRunOf = (known: ReadonlyArray<Known>, { commands, comment }: Described): string | undefined =>
  known.findLast(
    (each) =>
      each.comment === comment &&
      each.commands.length === commands.length &&
      each.commands.every((stored, i) => {
        const command = commands[i]
        return command !== undefined && isStored(command, stored)
      }),
  )?.run

const hasNoContent = ({ commands }: Described): boolean =>
  commands.every((command) => Equal.equals(command, withoutHash(command)))

/** The run that was stored without the content of its files, unless a content has taken it up. */
const unhashedRunOf = (known: ReadonlyArray<Known>, session: Described): string | undefined => {
  const names = namesOf(session)
  const run = known.find((each) => hasNoContent(each) && isSame(namesOf(each), names))?.run
  return known.some((each) => each.run === run && !hasNoContent(each)) ? undefined : run
}

/**
 * The id of the run that a session continues, or `undefined` if it is a new one. `known` are the sessions of the journal, the
 * oldest first.
 *
 * **Details**
 *
 * A session continues the run with its commands, the content of its files and its comment. The case of the names of files does
 * not matter. A session that does not say which content its files have, because the library could not be read, continues the last
 * run with these commands. A session that says so continues a run that was stored without any content, unless another content
 * has continued that run.
 *
 * @since 0.1.0
 * @category decisions
 */
export const runOf = (known: ReadonlyArray<Known>, session: Described): string | undefined =>
  sameAs(known, session)?.run ?? storedRunOf(known, session) ?? unhashedRunOf(known, session)

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
  const names = namesOf(session)
  const last = known.findLast((each) => isSame(namesOf(each), names))
  if (last === undefined) return []
  return session.commands.flatMap((command, i) => {
    const [file, earlier] = [fileOf(command), last.commands[i]]
    return file === undefined || earlier === undefined || fileOf(earlier)?.sha256 === file.sha256 ? [] : [file.name]
  })
}
