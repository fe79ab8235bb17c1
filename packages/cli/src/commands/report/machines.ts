/**
 * What became of each machine: pure rules over what is on the disk.
 */
import type * as FleetJournal from "@live-response/core/FleetJournal"
import * as ActionsFileReader from "../../input/ActionsFileReader.ts"
import type * as ResultRows from "../../input/ResultRows.ts"
import { reasonOf } from "../../output/FailureReasons.ts"
import type { State } from "./payload.ts"

/** All that is known of one machine. */
export interface Machine {
  readonly key: string
  id: string
  name: string
  /** How many results are stored and can be used. */
  results: number
  /** The first result that can't be used, and the first download that failed. */
  unusable: string | undefined
  failed: string | undefined
  /** The newest session. */
  action: ActionsFileReader.KnownAction | undefined
  /** The last entry of the journal, if it is not that of a finished session. */
  entry: "starting" | "started" | "notStarted" | undefined
}

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

/** What became of the newest session, whatever its results. */
export const ofSession = ({ action, entry }: Machine): Outcome => {
  if (entry === "notStarted") return { state: "not started", reason: "The service refused the session" }
  if (entry !== undefined) return { state: "not finished", reason: "Offline or in progress" }
  if (action === undefined) return { state: "nothing downloaded", reason: "" }
  if (openStatuses.has(action.status)) return { state: "not finished", reason: "Offline or in progress" }
  if (!finalStatuses.has(action.status)) return { state: "nothing downloaded", reason: "" }
  return { state: "session failed", reason: errorOf(action) }
}

/** A machine with any result has results. Without one, the latest thing that failed says why. */
export const outcomeOf = (machine: Machine): Outcome => {
  if (machine.results > 0) return { state: "results", reason: "" }
  if (machine.unusable !== undefined) return { state: "unusable", reason: reasonOf(machine.unusable) }
  if (machine.failed !== undefined) return { state: "download failed", reason: reasonOf(machine.failed) }
  return ofSession(machine)
}

/** The machines of a directory, each with an index. */
export class Machines {
  readonly all: Array<Machine> = []
  private readonly byKey = new Map<string, number>()

  private indexOf(key: string, id: string, name: string): number {
    const known = this.byKey.get(key)
    if (known !== undefined) {
      const machine = this.all[known]
      if (machine !== undefined && machine.name === "") machine.name = name
      return known
    }
    this.byKey.set(key, this.all.length)
    const empty = { results: 0, unusable: undefined, failed: undefined, action: undefined, entry: undefined }
    return this.all.push({ key, id, name, ...empty }) - 1
  }

  /** The index of the machine with an id; without an id, of the machine with a name; else of one that only an action knows. */
  private find(of: { readonly machineId: string; readonly machineName: string }, actionId: string): number {
    const { machineId, machineName } = of
    return this.indexOf(
      machineId.toLowerCase() || machineName.toLowerCase() || actionId,
      machineId,
      machineName || (machineId === "" ? `machine of ${actionId}` : ""),
    )
  }

  /** Adds a session, and returns the index of its machine. */
  addAction(action: ActionsFileReader.KnownAction): number {
    const index = this.find(action, action.id)
    const machine = this.all[index]
    if (machine !== undefined && (machine.action?.created ?? 0) <= (action.created ?? 0)) machine.action = action
    return index
  }

  /** Adds a result, and returns the index of its machine. */
  addRow(row: ResultRows.ResultRow): number {
    const index = this.find(row, row.machineActionId)
    const machine = this.all[index]
    if (machine === undefined) return index
    if (row.kind === "unusable") machine.unusable ??= row.problem
    else if (row.kind === "failed") machine.failed ??= row.problem
    else machine.results++
    return index
  }

  /** Adds an entry of the journal. The last one of a machine counts, unless its session is known to be final. */
  addEntry(entry: FleetJournal.Entry): void {
    const machine = this.all[this.find({ machineId: entry.machineId, machineName: "" }, entry.machineId)]
    if (machine === undefined) return
    if (entry.entry === "ended") machine.action = ActionsFileReader.ofAction(entry.action)
    const isKnown =
      entry.entry === "ended" || (entry.entry === "started" && machine.action?.id === entry.machineActionId)
    machine.entry = isKnown ? undefined : entry.entry
  }
}
