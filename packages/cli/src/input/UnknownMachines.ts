/**
 * `unknown-machines.json`: the names of machines that a run was given and that lead to no machine. No other file of a directory
 * knows them, so without it 497 of 500 machines would look like all of them.
 */
import * as AtomicFile from "@live-response/core/AtomicFile"
import * as FileName from "@live-response/core/FileName"
import * as PrivateDirectory from "@live-response/core/PrivateDirectory"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Machines from "./MachineArguments.ts"

/** The version of the file that this release reads and writes. */
export const version = 1

/** More than this many names of one kind are not recorded. */
const mostNames = 5_000

/** The most bytes read of the file: twice as many names of the longest kind. */
export const maxBytes = 4 * 1024 * 1024

const Names = Schema.Array(Schema.String)

const File = Schema.Struct({ version: Schema.Literal(version), unknown: Names, ambiguous: Names })

/** The names that no machine has, and those that several machines have. */
export type UnknownMachines = Readonly<Record<Machines.Problem, ReadonlyArray<string>>>

export const none: UnknownMachines = { unknown: [], ambiguous: [] }

const decode = Schema.decodeOption(Schema.fromJsonString(File))
const encode = Schema.encodeEffect(Schema.fromJsonString(File))

const name = FileName.single.unknownMachines

/** The names that a directory has. A file that can't be read counts as absent: it changes nothing but what is said of names. */
export const read = (files: PrivateDirectory.PrivateDirectory) =>
  Effect.map(files.readString(name, maxBytes), (text) =>
    Option.match(Option.flatMap(text, decode), {
      onNone: () => none,
      onSome: ({ ambiguous, unknown }): UnknownMachines => ({
        unknown: unknown.map((each) => TerminalText.shorten(each)),
        ambiguous: ambiguous.map((each) => TerminalText.shorten(each)),
      }),
    }),
  )

const recorderIn = Effect.fnUntraced(function* (directory: string) {
  const files = yield* PrivateDirectory.open(directory)
  const earlier = yield* read(files)
  const found = { unknown: new Set<string>(), ambiguous: new Set<string>() }
  const write = Effect.fnUntraced(function* (before: UnknownMachines) {
    const all = (problem: Machines.Problem) =>
      Array.from(new Set([...before[problem], ...found[problem]])).slice(0, mostNames)
    const json = yield* Effect.orDie(encode({ version, unknown: all("unknown"), ambiguous: all("ambiguous") }))
    yield* AtomicFile.write(files, name, Stream.encodeText(Stream.succeed(TerminalText.escapeJson(json))))
  })
  return {
    /** What an earlier run recorded stays until this one has come as far. */
    add: ({ machineName, problem }: Machines.BadMachine) =>
      Effect.suspend(() => {
        if (problem === undefined) return Effect.void
        found[problem].add(machineName)
        return write(earlier)
      }),

    /** All machines of this run are looked up: names that only an earlier one had were corrected, or are of another list. */
    finish: Effect.suspend(() => (found.unknown.size + found.ambiguous.size === 0 ? files.remove(name) : write(none))),
  }
})

/** Records the names of a run in its directories: that of its results, and that of its journal. */
export const recorder = Effect.fnUntraced(function* (directories: ReadonlyArray<string | undefined>) {
  const distinct = new Set(directories.filter((directory) => directory !== undefined))
  const all = yield* Effect.forEach(distinct, recorderIn)
  return {
    add: (machine: Machines.BadMachine) => Effect.forEach(all, ({ add }) => add(machine), { discard: true }),
    finish: Effect.forEach(all, ({ finish }) => finish, { discard: true }),
  }
})
