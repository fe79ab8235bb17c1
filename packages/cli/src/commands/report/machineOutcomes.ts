/**
 * What became of each machine: pure rules over what is on the disk.
 */
import type * as FleetJournal from "@live-response/core/FleetJournal"
import * as TerminalText from "@live-response/core/TerminalText"
import * as ActionsFileReader from "../../input/ActionsFileReader.ts"
import * as ResultRows from "../../input/ResultRows.ts"
import { reasonOf } from "../../output/FailureReasons.ts"
import type { State } from "./payload.ts"

/** All that is known of one machine. */
export interface Machine {
  /** Its index. */
  readonly number: number
  id: string
  name: string
  /** How many results are stored and can be used. */
  results: number
  /** The results that can't be used, and the downloads that failed, by the numbers of their rows. */
  readonly problems: ReadonlyMap<number, Problem>
  /** The newest session. */
  action: ActionsFileReader.KnownAction | undefined
  /** The last entry of the journal. */
  entry: FleetJournal.Entry | undefined
}

type Problem = Pick<ResultRows.UnusableRow | ResultRows.FailedRow, "kind" | "problem">

export interface Outcome {
  readonly state: State
  /** Why it has no results. */
  readonly reason: string
}

const finalStatuses: ReadonlySet<string> = new Set(["Failed", "TimeOut", "Cancelled"])

const openStatuses: ReadonlySet<string> = new Set(["Pending", "InProgress"])

/** In the words of a run's summary: the command that failed, and its errors. */
const errorOf = ({ commands, status }: ActionsFileReader.KnownAction): string => {
  const failed = commands.find(({ errors }) => errors.length > 0)
  if (failed === undefined) return status
  const { errors, source, type } = failed
  return [source === "" ? type : `${type} ${source}`, ...errors.map(reasonOf)].join(": ")
}

/** In a prepared file it may have any length. */
const whyNotStarted = ({ message = "" }: FleetJournal.NotStarted): string =>
  message === "" ? "The service refused the session" : reasonOf(TerminalText.shorten(message))

/** What became of the newest session, whatever its results. */
export const ofSession = ({ action, entry }: Machine): Outcome => {
  if (entry?.entry === "notStarted") return { state: "not started", reason: whyNotStarted(entry) }
  if (entry?.entry === "starting") {
    return { state: "not finished", reason: "Whether it has started is not known yet; the same command finds out" }
  }
  const isKnown = entry?.entry === "ended" || (entry?.entry === "started" && action?.id === entry.machineActionId)
  if (entry !== undefined && !isKnown) return { state: "not finished", reason: "Offline or in progress" }
  if (action === undefined) return { state: "nothing downloaded", reason: "" }
  if (openStatuses.has(action.status)) return { state: "not finished", reason: "Offline or in progress" }
  if (!finalStatuses.has(action.status)) return { state: "nothing downloaded", reason: "" }
  return { state: "session failed", reason: errorOf(action) }
}

/** A machine with any result has results. Without one, the latest thing that failed says why. */
export const outcomeOf = (machine: Machine): Outcome => {
  if (machine.results > 0) return { state: "results", reason: "" }
  const problems = Array.from(machine.problems.values())
  const unusable = problems.find(({ kind }) => kind === "unusable")
  if (unusable !== undefined) return { state: "unusable", reason: reasonOf(unusable.problem) }
  const [failed] = problems
  if (failed !== undefined) return { state: "download failed", reason: reasonOf(failed.problem) }
  return ofSession(machine)
}

/** The name of the machine of an entry. In a prepared file it may have any length. */
const nameIn = (entry: FleetJournal.Entry): string =>
  entry.entry === "started" ? TerminalText.shorten(entry.machineName ?? "") : ""

/** A map of its own for each machine that has a problem: a copy for each problem would take quadratic time. */
interface Growing extends Machine {
  problems: Map<number, Problem>
}

/** Of the machines without a problem, which are nearly all. Nothing is added to it. */
const noProblems = new Map<number, Problem>()

/** The machines of a directory, each with an index. */
export class Machines {
  private readonly machines: Array<Growing> = []
  private readonly byKey = new Map<string, number>()

  get all(): ReadonlyArray<Machine> {
    return this.machines
  }

  private indexOf(key: string, id: string, name: string): number {
    const known = this.byKey.get(key)
    if (known !== undefined) {
      const machine = this.machines[known]
      if (machine !== undefined && machine.name === "") machine.name = name
      return known
    }
    const number = this.machines.length
    this.byKey.set(key, number)
    const empty = { results: 0, problems: noProblems, action: undefined, entry: undefined }
    this.machines.push({ number, id, name, ...empty })
    return number
  }

  /** The index of the machine with an id; without an id, of the machine with a name; else of one that only an action knows. */
  private find(of: { readonly machineId: string; readonly machineName: string }, actionId: string): number {
    const { machineId, machineName } = of
    return this.indexOf(
      ResultRows.machineKey({ machineActionId: actionId, machineId, machineName }),
      machineId,
      machineName || (machineId === "" ? `machine of ${actionId}` : ""),
    )
  }

  /** Adds a session, and returns the index of its machine. */
  addAction(action: ActionsFileReader.KnownAction): number {
    const index = this.find(action, action.id)
    const machine = this.machines[index]
    if (machine !== undefined && (machine.action?.created ?? 0) <= (action.created ?? 0)) machine.action = action
    return index
  }

  /** Adds a result with the number of its row, and returns the index of its machine. */
  addRow(row: ResultRows.ResultRow, number: number): number {
    const index = this.find(row, row.machineActionId)
    const machine = this.machines[index]
    if (machine === undefined) return index
    if (!("problem" in row)) machine.results++
    else {
      if (machine.problems === noProblems) machine.problems = new Map()
      machine.problems.set(number, { kind: row.kind, problem: row.problem })
    }
    return index
  }

  /** Takes back the problem of a row, because its result was downloaded again. */
  removeProblem(index: number, number: number): void {
    this.machines[index]?.problems.delete(number)
  }

  /**
   * Adds an entry of the journal, and returns the index of its machine. The last one of a machine counts, unless its session is
   * known to be final.
   */
  addEntry(entry: FleetJournal.Entry): number {
    const index = this.find({ machineId: entry.machineId, machineName: nameIn(entry) }, entry.machineId)
    const machine = this.machines[index]
    if (machine === undefined) return index
    if (entry.entry === "ended") machine.action = ActionsFileReader.ofAction(entry.action)
    machine.entry = entry
    return index
  }
}
