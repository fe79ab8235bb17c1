/**
 * Completions for shells, made of the help: files, directories and known words where the help names them.
 */
import type * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import type { FlagDoc } from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HelpPages from "./HelpPages.ts"
import { knownWords } from "./input/KnownWords.ts"

export const shells = ["bash", "zsh", "fish", "powershell"] as const satisfies ReadonlyArray<Completions.Shell>

/** What a value may be, by the name that the help gives it. */
const valueTypes: Readonly<Record<string, Completions.FlagType>> = {
  FILE: { _tag: "Path", pathType: "file" },
  DIR: { _tag: "Path", pathType: "directory" },
  STATUS: { _tag: "Choice", values: knownWords.status },
  TYPE: { _tag: "Choice", values: knownWords.type },
  OS: { _tag: "Choice", values: knownWords.os },
  HEALTH: { _tag: "Choice", values: knownWords.health },
  RISK: { _tag: "Choice", values: knownWords.risk },
  SHELL: { _tag: "Choice", values: shells },
  LEVEL: { _tag: "Choice", values: ["debug", "info", "warn", "error", "none"] },
}

const typeOf = (value: string): Completions.FlagType =>
  valueTypes[value] ?? (value === "boolean" ? { _tag: "Boolean" } : { _tag: "String" })

/** The first part of a description: a list of completions has one line each. */
const brief = (description: string | undefined): string | undefined => description?.replace(/( \(|[;:.]( |$)).*$/s, "")

const ofGlobal = ({ aliases, description, name, type }: FlagDoc): Completions.FlagDescriptor => ({
  name,
  aliases: aliases.map((alias) => alias.replace(/^-+/, "")),
  description: brief(Option.getOrUndefined(description)),
  type: typeOf(type),
  negation: false,
})

/** Effect knows the choices of a value; the name of a text says what it is. */
const refineType = <A extends { readonly type: Completions.FlagType }>(param: A, value = ""): A =>
  param.type._tag === "String" ? { ...param, type: typeOf(value) } : param

/** What Effect knows of a command, with what its help says of values. */
const refine = (
  command: Completions.CommandDescriptor,
  parents: ReadonlyArray<string>,
  pages: ReadonlyArray<HelpPages.Page>,
): Completions.CommandDescriptor => {
  const path = [...parents, command.name]
  const doc = pages.find((page) => page.path.join(" ") === path.join(" "))?.doc
  const valueOf = new Map(doc?.flags.map(({ name, type }) => [name, type]))
  return {
    ...command,
    description: brief(command.description),
    flags: [
      ...command.flags.map((flag) => ({
        ...refineType(flag, valueOf.get(flag.name)),
        description: brief(flag.description),
        negation: false as const,
      })),
      ...(doc?.globalFlags ?? []).map(ofGlobal),
    ],
    arguments: command.arguments.map((argument, i) => ({
      ...refineType(argument, doc?.args?.[i]?.type),
      description: brief(argument.description),
    })),
    subcommands: command.subcommands.map((each) => refine(each, path, pages)),
  }
}

/** The script that completes the program's command lines in a shell. */
export const script = Effect.fnUntraced(function* (root: Command.Command.Any, shell: Completions.Shell) {
  const pages = yield* HelpPages.all(root)
  return `${Completions.generate(root.name, shell, refine(Completions.fromCommand(root), [], pages))}\n`
})
