/** The machines whose session was requested, and of which nobody knows yet whether it has started. */
import type * as DateTime from "effect/DateTime"
import * as FleetEvent from "../FleetEvent.ts"

export interface SessionDoubt {
  /** The session is being requested, or an earlier run has requested it. */
  readonly add: (machineId: string) => void

  /** It has not started. */
  readonly remove: (machineId: string) => void

  /** The event, which says that the session may have started where that is so. */
  readonly marked: (event: FleetEvent.FleetEvent) => FleetEvent.FleetEvent

  /** An event that says what became of the session, or that this is not known. */
  readonly settledBy: (event: FleetEvent.FleetEvent) => void

  /** One event for each of them, for a run that ends now. */
  readonly events: (at: DateTime.Utc) => ReadonlyArray<FleetEvent.NotStarted>
}

export const make = (): SessionDoubt => {
  const machines = new Set<string>()
  return {
    add: (machineId) => void machines.add(machineId),
    remove: (machineId) => void machines.delete(machineId),
    marked: (event) =>
      event.event === "notStarted" && machines.has(event.machineId)
        ? FleetEvent.NotStarted.make({ ...event, mayHaveStarted: true })
        : event,
    settledBy: (event) => {
      if (event.event === "started" || event.event === "ended" || event.event === "notStarted") {
        machines.delete(event.machineId)
      }
    },
    events: (at) =>
      Array.from(machines, (machineId) => {
        const inDoubt = `live response on ${machineId}: whether it has started is not known, because the run ended before the service said so`
        return FleetEvent.NotStarted.make({ at, machineId, message: inDoubt, mayHaveStarted: true })
      }),
  }
}
