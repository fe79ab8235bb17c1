/**
 * What is known of a run that is executed: which machines and results are done. A runner that resumes a run gets there with the
 * events that were stored, and stores no event twice.
 */
import * as AbsentResult from "@live-response/core/AbsentResult"
import { type BatchEvent } from "@live-response/core/BatchEvent"
import * as FleetEvent from "@live-response/core/FleetEvent"
import type { MachineAction } from "@live-response/core/MachineAction"
import * as ResultRef from "@live-response/core/ResultRef"
import type { Counts, RunEvent } from "../ClusterRun.ts"

export class RunProgress {
  private sessions: FleetEvent.Counts = FleetEvent.noSessions
  private completed = 0
  private failedResults = 0
  /** The actions of machines whose start was stored. */
  private readonly started = new Map<string, string>()
  private readonly offline = new Set<string>()
  /** Machines that need nothing more: their session has finished, or they get none. */
  private readonly done = new Set<string>()
  /** The results of finished sessions that are not stored and have not failed. */
  private readonly left = new Map<string, ResultRef.ActionResult>()
  private readonly finished = new Set<string>()
  /** The actions of sessions that finished while this run waited for them. */
  private readonly ownActions = new Set<string>()
  private readonly uncertain = new Set<string>()

  get counts(): Counts {
    return { ...this.sessions, completed: this.completed, failedResults: this.failedResults }
  }

  isDone(machineId: string): boolean {
    return this.done.has(machineId.toLowerCase())
  }

  /** The results that a runner before this one has not downloaded. */
  get resultsLeft(): ReadonlyArray<ResultRef.ActionResult> {
    return Array.from(this.left.values())
  }

  /** Whether the result is one of a session that this run waited for, and not of one that had finished before. */
  isOwn({ machineActionId }: ResultRef.ResultRef): boolean {
    return this.ownActions.has(machineActionId)
  }

  /** Takes an event in, and returns it as it is stored: not at all if it says nothing new. */
  take(event: RunEvent): RunEvent | undefined {
    if ("session" in event) {
      const session = this.takeSession(event.session)
      return session === undefined ? undefined : { session }
    }
    if ("result" in event) {
      const result = this.takeResult(event.result)
      return result === undefined ? undefined : { result }
    }
    return event
  }

  private takeSession(event: FleetEvent.FleetEvent): FleetEvent.FleetEvent | undefined {
    if (event.event === "sessions") return undefined
    const machine = event.machineId.toLowerCase()
    if (this.done.has(machine)) return undefined
    const counted = this.asOfThisRun(machine, event)
    if (counted === undefined) return undefined
    this.sessions = FleetEvent.tally(this.sessions, counted)
    if (counted.event === "ended") {
      if (!counted.earlier) this.ownActions.add(counted.action.id)
      this.addResults(counted.action)
    }
    if (counted.event === "ended" || counted.event === "notStarted" || counted.event === "unfinished") {
      this.done.add(machine)
    }
    return counted
  }

  /** The event as a run reports it that no runner has interrupted. */
  private asOfThisRun(machine: string, event: FleetEvent.FleetEvent): FleetEvent.FleetEvent | undefined {
    switch (event.event) {
      case "started": {
        if (this.started.get(machine) === event.machineActionId) return undefined
        this.started.set(machine, event.machineActionId)
        return event
      }
      case "offline": {
        if (this.offline.has(machine)) return undefined
        this.offline.add(machine)
        return event
      }
      case "online":
        return this.offline.delete(machine) ? event : undefined
      case "ended":
        // Its start was stored by this run: the runner before this one did not store the end.
        return event.earlier && this.started.has(machine) ? FleetEvent.Ended.make({ ...event, earlier: false }) : event
      case "cancelled":
      case "notStarted":
      case "unfinished":
      case "sessions":
        return event
    }
  }

  private addResults(action: MachineAction): void {
    for (const index of AbsentResult.possible(action)) {
      this.uncertain.add(ResultRef.keyOf({ machineActionId: action.id, index }))
    }
    for (const ref of ResultRef.ofAction(action)) {
      if (!this.finished.has(String(ref))) this.left.set(String(ref), ref)
    }
  }

  private takeResult(event: BatchEvent): BatchEvent | undefined {
    const settled = AbsentResult.settle(event, (ref) => this.uncertain.has(String(ref)))
    switch (settled.event) {
      case "progress":
      case "retrying":
      case "summary":
        return undefined
      case "completed":
      case "failed":
      case "skipped": {
        const key = ResultRef.keyOf(settled)
        if (this.finished.has(key)) return undefined
        this.finished.add(key)
        this.left.delete(key)
        if (settled.event === "completed") this.completed++
        if (settled.event === "failed") this.failedResults++
        return settled
      }
      case "linked":
      case "extracted":
      case "notExtracted":
      case "waiting":
      case "offline":
        return settled
    }
  }
}
