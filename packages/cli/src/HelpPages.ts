/**
 * The help of each command, as data: help on a terminal, man pages and completions are made of it.
 */
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import type * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** The help of one command. */
export interface Page {
  /** The names from the program to the command. */
  readonly path: ReadonlyArray<string>
  readonly doc: HelpDoc
}

/** It works, but asks for each flag in turn, which nobody wants of thirty. */
const hidden = new Set(["wizard"])

/** Names of values that list what the description lists too. */
const values: Readonly<Record<string, string>> = { completions: "SHELL", "log-level": "LEVEL" }

const refineFlag = (flag: FlagDoc): FlagDoc => ({ ...flag, type: values[flag.name] ?? flag.type })

/** Help as this program shows it. */
export const refine = (doc: HelpDoc): HelpDoc => ({
  ...doc,
  globalFlags: (doc.globalFlags ?? []).filter(({ name }) => !hidden.has(name)).map(refineFlag),
})

const docOf = Effect.fnUntraced(function* (command: Command.Command.Any, commandPath: ReadonlyArray<string>) {
  const docs: Array<HelpDoc> = []
  const { builtIns } = yield* CliConfig.CliConfig
  yield* GlobalFlag.Help.run(true, { command, commandPath, version: "", builtIns }).pipe(
    Effect.provideService(CliOutput.Presenter, {
      present: (event) => Effect.sync(() => void (event._tag === "Help" && docs.push(refine(event.helpDoc)))),
    }),
  )
  return docs
})

const commandsBelow = (command: Command.Command.Any): ReadonlyArray<Command.Command.Any> =>
  command.subcommands.flatMap(({ commands }) => commands)

/** The help of a command and of all commands below it, each after the one above it. */
export const all = (root: Command.Command.Any): Effect.Effect<ReadonlyArray<Page>> => {
  const visit = (command: Command.Command.Any, path: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Page>> =>
    Effect.gen(function* () {
      const docs = yield* docOf(root, path)
      const below = yield* Effect.forEach(commandsBelow(command), (each) => visit(each, [...path, each.name]))
      return [...docs.map((doc) => ({ path, doc })), ...below.flat()]
    })
  return visit(root, [root.name])
}

/** The variable that may stand for a flag, by its help. */
export const variableOf = (root: Command.Command.Any, commandPath: ReadonlyArray<string>, flag: string) =>
  Effect.map(docOf(root, commandPath), (docs) => {
    const found = docs.flatMap(({ flags }) => flags).find(({ name }) => name === flag)
    return Option.getOrUndefined(
      Option.flatMapNullishOr(found?.description ?? Option.none(), (text) => /env: (\w+)/.exec(text)?.[1]),
    )
  })

/** Why a path of names leads to no command: the name, and the names that may be meant. */
export const unknownName = (
  root: Command.Command.Any,
  names: ReadonlyArray<string>,
):
  | { readonly path: ReadonlyArray<string>; readonly name: string; readonly known: ReadonlyArray<string> }
  | undefined => {
  const [name, ...rest] = names
  const below = commandsBelow(root)
  if (name === undefined || below.length === 0) return undefined
  const found = below.find((command) => command.name === name)
  if (found === undefined) return { path: [root.name], name, known: below.map((command) => command.name) }
  const problem = unknownName(found, rest)
  return problem === undefined ? undefined : { ...problem, path: [root.name, ...problem.path] }
}
