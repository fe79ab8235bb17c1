/**
 * What `live-response status` does: counts what a directory of results has, from what was recorded.
 */
import type { PrivateDirectory } from "@live-response/core/PrivateDirectory"
import * as NodeDirectFileSystem from "@live-response/node/NodeDirectFileSystem"
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Failure from "../../Failure.ts"
import type { Damaged } from "../../input/Damage.ts"
import * as ResultRows from "../../input/ResultRows.ts"
import * as ResultsDirectory from "../../input/ResultsDirectory.ts"
import * as UnknownMachines from "../../input/UnknownMachines.ts"
import * as FailureReasons from "../../output/FailureReasons.ts"
import * as Format from "../../output/Format.ts"
import { printable, printableJson } from "../../output/Printable.ts"
import * as DirectoryReader from "../report/directoryReader.ts"
import { Machines, ofSession, outcomeOf } from "../report/machineOutcomes.ts"
import { damageNotes, type State, stateLabels, states, unknownNamesOf, unknownNotes } from "../report/payload.ts"

/** What a directory has. */
interface Status {
  readonly machines: number
  /** How many machines have each state. */
  readonly states: Readonly<Record<State, number>>
  readonly results: number
  readonly bytes: number
  readonly failed: number
  /** In milliseconds since 1970. */
  readonly lastResult: number | undefined
  /** How many lines of each file could not be read. */
  readonly damaged: Damaged
  readonly reasons: ReadonlyMap<string, number>
  /** The names that a run was given and that lead to no machine. */
  readonly unknownMachines: UnknownMachines.UnknownMachines
}

const read = Effect.fnUntraced(function* (files: PrivateDirectory) {
  const machines = new Machines()
  const reasons: FailureReasons.Reasons = new Map()
  const totals = { results: 0, bytes: 0, failed: 0, lastResult: 0 }
  const { actions, damaged: inRows, rows } = yield* ResultRows.recorded(files)
  for (const action of actions.values()) machines.addAction(action)
  const known = { machines, addAction: (action: Parameters<Machines["addAction"]>[0]) => machines.addAction(action) }
  const damaged = yield* DirectoryReader.addAllSessions(files, known, (id) => actions.has(id), inRows)
  yield* Stream.runForEach(rows, (row) =>
    Effect.sync(() => {
      machines.addRow(row, totals.results + totals.failed)
      totals.lastResult = Math.max(totals.lastResult, row.at ?? 0)
      if (row.kind === "failed") {
        totals.failed++
        FailureReasons.add(reasons, row.problem)
      } else {
        totals.results++
        totals.bytes += row.bytes
      }
    }),
  )
  const outcomes = machines.all.map(outcomeOf)
  // A session that failed may have results too.
  for (const { reason, state } of machines.all.map(ofSession)) {
    if (state === "session failed" || state === "not started") FailureReasons.add(reasons, reason)
  }
  const count = (state: State) => outcomes.filter((outcome) => outcome.state === state).length
  return {
    ...totals,
    lastResult: totals.lastResult === 0 ? undefined : totals.lastResult,
    machines: outcomes.length,
    states: {
      results: count("results"),
      unusable: count("unusable"),
      "download failed": count("download failed"),
      "session failed": count("session failed"),
      "not finished": count("not finished"),
      "not started": count("not started"),
      "nothing downloaded": count("nothing downloaded"),
    },
    damaged,
    reasons,
    unknownMachines: yield* UnknownMachines.read(files),
  } satisfies Status
})

const machinesLine = ({ machines, states: counts }: Status): string => {
  const without = states.filter((state) => state !== "results" && counts[state] > 0)
  const why = without.map((state) => `${stateLabels[state]}: ${Format.count(counts[state])}`).join("; ")
  const rest = machines - counts.results
  return `${Format.counted(machines, "machine")}, ${Format.count(counts.results)} with results, ${Format.count(rest)} without${why === "" ? "" : ` (${why})`}.`
}

const linesOf = (status: Status, directory: string): ReadonlyArray<string> => {
  const { bytes, damaged, failed, lastResult, reasons, results, unknownMachines } = status
  const last = lastResult === undefined ? "" : `; the last at ${Format.dateAndTime(DateTime.makeUnsafe(lastResult))}`
  return [
    machinesLine(status),
    ...unknownNotes(unknownNamesOf(unknownMachines), Format.counted).map(printable),
    `${Format.counted(results, "result")} (${Format.bytes(bytes)}), ${Format.count(failed)} failed${last}.`,
    ...damageNotes(damaged, Format.counted),
    ...(reasons.size === 0 ? [] : [...FailureReasons.lines(reasons), `${FailureReasons.whereToLook(directory)}.`]),
  ]
}

/** Prints what a directory has. */
export const print = Effect.fnUntraced(
  function* (directory: string, { json }: { readonly json: boolean }) {
    const files = yield* ResultsDirectory.open(directory, { orJournal: true })
    const { lastResult, reasons, ...counts } = yield* read(files)
    if (!json) {
      return yield* Console.log(linesOf({ ...counts, lastResult, reasons }, printable(directory)).join("\n"))
    }
    const last = lastResult === undefined ? {} : { lastResult: DateTime.formatIso(DateTime.makeUnsafe(lastResult)) }
    const failures = FailureReasons.mostFrequent(reasons)
    yield* Console.log(printableJson(JSON.stringify({ ...counts, ...last, failures })))
  },
  Effect.mapError(Failure.fromError),
  Effect.provide(NodeDirectFileSystem.layerBatch),
)
