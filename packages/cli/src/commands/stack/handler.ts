/**
 * What `live-response stack` does: groups the script results of a directory, and prints the groups, the rarest first.
 */
import { type Group, longestOutput, Stack } from "@live-response/core/Stack"
import * as NodeDirectFileSystem from "@live-response/node/NodeDirectFileSystem"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Failure from "../../Failure.ts"
import * as KnownWords from "../../input/KnownWords.ts"
import * as ResultRows from "../../input/ResultRows.ts"
import * as ResultsDirectory from "../../input/ResultsDirectory.ts"
import * as TextHash from "../../input/TextHash.ts"
import * as CommandText from "../../output/CommandText.ts"
import * as Format from "../../output/Format.ts"
import * as MachineNames from "../../output/MachineNames.ts"
import * as StandardError from "../../output/StandardError.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import * as RowPrinter from "../../output/RowPrinter.ts"
import * as Table from "../../output/Table.ts"
import * as UnusableFiles from "../../output/UnusableFiles.ts"
import * as Keys from "./keys.ts"

interface Options {
  readonly by: string
  readonly script: Option.Option<string>
  readonly limit: number
  readonly format: RowPrinter.Format | undefined
}

interface Machine {
  readonly name: string
  /** The same where there is little space. */
  readonly short: string
}

type MachineGroup = Group<Machine>

/** What was counted besides the groups. */
interface Counts {
  /** Script results that were asked for. */
  results: number
  /** Those of them that have a value. */
  stacked: number
  /** Those whose output is longer than what is compared. */
  truncated: number
  /** Those whose machine nobody has looked up. */
  unidentified: number
}

/** Prints the groups of a directory's script results. */
export const print = Effect.fnUntraced(
  function* (directory: string, options: Options) {
    const key = Keys.parse(options.by)
    if (key === undefined) {
      const problem = `--by ${options.by}: choose one of ${Keys.choices.join(", ")}`
      return yield* Failure.usage(`${problem}${KnownWords.suggestionIn(problem, options.by)}`)
    }
    const files = yield* ResultsDirectory.open(directory)
    const { rows } = yield* ResultRows.read(files, { limit: longestOutput })
    const hashOf = yield* TextHash.make
    const stack = new Stack<Machine>()
    const machineOf = makeMachineOf()
    const counts: Counts = { results: 0, stacked: 0, truncated: 0, unidentified: 0 }
    const unusable = UnusableFiles.make(directory, unusableWords)
    yield* Stream.runForEach(rows, (row) => {
      if (row.kind === "unusable") unusable.add(row)
      if (row.kind === "script" && isWanted(row, options)) {
        add(
          stack,
          counts,
          row,
          machineOf(row),
          key(row).map((value) => shorten(value, hashOf)),
        )
      }
      return Effect.void
    })
    yield* unusable.report
    const groups = stack.groups()
    if (options.format === "json" || options.format === "csv") {
      const printRow = yield* RowPrinter.make({ columns, format: options.format, toJson })
      yield* Effect.forEach(groups, printRow, { discard: true })
      // A group that is not there would say that there is nothing to find.
      return yield* Effect.forEach(
        gaps(counts, options, directory),
        (gap) => StandardError.write(`live-response: ${gap}`),
        {
          discard: true,
        },
      )
    }
    yield* Console.log(text(groups, counts, options, directory))
  },
  Effect.mapError(Failure.fromError),
  Effect.provide(NodeDirectFileSystem.layerBatch),
)

const unusableWords = {
  one: (path: string) => `${path} is not counted:`,
  many: (files: string) => `${files} are not counted`,
}

/** PowerShell and Windows do not distinguish case in the name of a script. */
const isWanted = ({ source }: ResultRows.ScriptRow, { script }: Options): boolean =>
  Option.match(script, { onNone: () => true, onSome: (name) => source.toLowerCase() === name.toLowerCase() })

/** In characters: memory does not depend on how long outputs are. */
const longestValue = 4_096

/** A value that stands for a long one: its beginning and its hash. */
const shorten = (value: string, hashOf: (text: string) => string): string =>
  value.length <= longestValue
    ? value
    : `${value.slice(0, longestValue)}… (${Format.count(value.length)} characters, SHA-256 ${hashOf(value)})`

const isUnidentified = ({ machineId, machineName }: ResultRows.ScriptRow): boolean =>
  machineName === "" && machineId === ""

const shortNameOf = (row: ResultRows.ScriptRow): string =>
  isUnidentified(row)
    ? `action ${MachineNames.shortenId(row.machineActionId)}`
    : MachineNames.shorten(ResultRows.machineOf(row))

/** The machine of a row: the same object for the same machine, because several machines may have the same name. */
const makeMachineOf = () => {
  const known = new Map<string, Machine>()
  return (row: ResultRows.ScriptRow): Machine => {
    const key = ResultRows.machineKey(row)
    const machine = known.get(key) ?? { name: ResultRows.machineOf(row), short: shortNameOf(row) }
    known.set(key, machine)
    return machine
  }
}

const add = (
  stack: Stack<Machine>,
  counts: Counts,
  row: ResultRows.ScriptRow,
  machine: Machine,
  values: ReadonlyArray<string>,
) => {
  counts.results++
  if (values.length > 0) counts.stacked++
  if (ResultRows.isTruncated(row)) counts.truncated++
  if (isUnidentified(row)) counts.unidentified++
  for (const value of values) stack.add(value, machine)
}

const namesOf = (machines: ReadonlyArray<Machine>): ReadonlyArray<string> => machines.map(({ name }) => name)

const toJson = ({ count, machines, value }: MachineGroup) =>
  Effect.succeed(printableJson(JSON.stringify({ value, count, machines: namesOf(machines) })))

/** How many machines a line names. */
const mostNames = 3

const machinesOf = ({ machines }: MachineGroup, nameOf: (machine: Machine) => string): string =>
  printable(machines.slice(0, mostNames).map(nameOf).join(", ") + (machines.length > mostNames ? ", …" : ""))

const columns: ReadonlyArray<Table.Column<MachineGroup>> = [
  {
    title: "MACHINES",
    width: 8,
    text: ({ machines }) => Format.count(machines.length),
    data: ({ machines }) => String(machines.length),
  },
  { title: "COUNT", width: 8, text: ({ count }) => Format.count(count), data: ({ count }) => String(count) },
  {
    title: "ON",
    width: 36,
    leastWidth: 12,
    text: (group) => machinesOf(group, ({ name }) => name),
    short: (group) => machinesOf(group, ({ short }) => short),
    data: ({ machines }) => printable(namesOf(machines).join(", ")),
  },
  {
    title: "VALUE",
    width: 40,
    isEssential: true,
    text: ({ value }) => printable(value === "" ? "(empty)" : value),
    data: ({ value }) => printable(value),
  },
]

/** The lines of the table. Where each machine has its value once, a column of the counts would say the same again. */
const tableOf = (groups: ReadonlyArray<MachineGroup>): ReadonlyArray<string> => {
  const areSame = groups.every(({ count, machines }) => count === machines.length)
  const shown = areSame ? columns.filter(({ title }) => title !== "COUNT") : columns
  const fitting = Table.fitting(Table.snug(shown, groups), process.stdout.columns ?? Table.widthWithoutTerminal)
  return [Table.header(fitting), ...groups.map((group) => Table.row(fitting, group))]
}

const text = (groups: ReadonlyArray<MachineGroup>, counts: Counts, options: Options, directory: string): string => {
  const shown = groups.slice(0, options.limit)
  return [...(shown.length === 0 ? [] : tableOf(shown)), ...notes(groups, counts, options, directory)].join("\n")
}

const notes = (
  groups: ReadonlyArray<MachineGroup>,
  counts: Counts,
  options: Options,
  directory: string,
): ReadonlyArray<string> => [
  `${Format.counted(groups.length, "group")} of ${Format.counted(counts.stacked, "script result")}, the rarest first.`,
  ...(groups.length <= options.limit
    ? []
    : [
        `Shown: ${Format.count(options.limit)} of ${Format.count(groups.length)} groups; --limit ${groups.length} shows all.`,
      ]),
  ...gaps(counts, options, directory),
]

/** What is in no group, or not with all that it has. */
const gaps = (
  { results, stacked, truncated, unidentified }: Counts,
  { by, script }: Options,
  directory: string,
): ReadonlyArray<string> => [
  ...(results > 0 || Option.isNone(script)
    ? []
    : [`No script result is of ${printable(script.value)}; --by script shows the names of the scripts.`]),
  ...(stacked === results
    ? []
    : [
        `${Format.count(results - stacked)} of ${Format.counted(results, "script result")} have no field ${printable(by)}.`,
      ]),
  ...(truncated === 0
    ? []
    : [
        `${Format.count(truncated)} of ${Format.counted(results, "script result")} are longer than ${Format.count(longestOutput)} characters, of which only the first were compared.`,
      ]),
  ...(unidentified === 0
    ? []
    : [CommandText.lookUp(`${Format.count(unidentified)} of ${Format.counted(results, "script result")}`, directory)]),
]
