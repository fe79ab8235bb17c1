/**
 * What was typed. A variable that stands for a flag is for every command, so a command that has no use for it ignores it. It
 * refuses the flag itself.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** The arguments of this program, without its name. */
export const CommandLine = Context.Reference<ReadonlyArray<string>>("@live-response/cli/CommandLine", {
  defaultValue: () => [],
})

/** Whether an argument has the flag: as `--name`, as `--name=value`, or as one letter of several, such as `-qj`. */
const has = (arg: string, name: string): boolean => {
  const [flags = ""] = arg.split("=")
  return name.startsWith("--") ? flags === name : /^-[^-]/.test(flags) && flags.includes(name.slice(1))
}

/** Those of the flags, given as `--name` or `-n`, that were typed. */
export const typed = (names: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>> =>
  CommandLine.useSync((args) => {
    const end = args.indexOf("--")
    const flags = end === -1 ? args : args.slice(0, end)
    return names.filter((name) => flags.some((arg) => has(arg, name)))
  })
