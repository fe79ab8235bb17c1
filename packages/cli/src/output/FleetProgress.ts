/**
 * What a person wants to know of sessions on many machines, folded from their events.
 */
import * as FleetEvent from "@live-response/core/FleetEvent"

/** It is changed in place, as the view of a batch is. */
export interface FleetProgress {
  sessions: FleetEvent.Counts
  /** How many machines there are, where that is known. */
  total: number | undefined
  /** Sessions that are not over, on machines that are there. */
  running: number
  /** The machines that are waited for. */
  readonly offline: Set<string>
}

export const make = (): FleetProgress => ({
  sessions: FleetEvent.noSessions,
  total: undefined,
  running: 0,
  offline: new Set(),
})

export const update = (view: FleetProgress, event: FleetEvent.FleetEvent): void => {
  view.sessions = FleetEvent.tally(view.sessions, event)
  switch (event.event) {
    case "started":
      view.running++
      return
    case "offline":
      view.offline.add(event.machineId)
      view.running--
      return
    case "online":
      view.offline.delete(event.machineId)
      view.running++
      return
    case "ended":
    case "unfinished": {
      const isEarlier = event.event === "ended" && event.earlier
      if (!isEarlier && !view.offline.delete(event.machineId)) view.running--
      return
    }
    case "notStarted":
    case "sessions":
      return
  }
}

/** A machine that is none counts as one without a session. */
export const addBadMachine = (view: FleetProgress): void => {
  const { sessions } = view
  view.sessions = { ...sessions, notStarted: sessions.notStarted + 1 }
}

/** Machines of which there is nothing more to expect. */
export const finished = ({ sessions }: FleetProgress): number =>
  sessions.succeeded + sessions.failed + sessions.unfinished + sessions.notStarted

/** Machines whose turn has not come. */
export const left = (view: FleetProgress): number =>
  Math.max(0, (view.total ?? 0) - finished(view) - view.running - view.offline.size)

export const failed = ({ sessions }: FleetProgress): boolean =>
  sessions.failed + sessions.unfinished + sessions.notStarted > 0
