/**
 * The progress of sessions on many machines, counted from their events.
 */
import * as FleetEvent from "@live-response/core/FleetEvent"
import * as DateTime from "effect/DateTime"

/** It is mutable, as the progress of a batch is. */
export interface FleetProgress {
  sessions: FleetEvent.Counts
  /** The number of machines, if it is known. */
  total: number | undefined
  /** Sessions in progress, on machines that are online. */
  running: number
  /** Sessions that this run took over: those that were resumed or adopted. Nothing was started for them. */
  resumed: number
  adopted: number
  /** Machines that are offline, and that their sessions wait for. */
  readonly offline: Set<string>
  /** The number of sessions that finished in an earlier run, and when the newest of them was created. */
  earlier: { readonly count: number; readonly at: DateTime.Utc | undefined }
  /** Why sessions failed, each with the number of its sessions. */
  readonly errors: Map<string, number>
}

export const make = (): FleetProgress => ({
  sessions: FleetEvent.noSessions,
  total: undefined,
  running: 0,
  resumed: 0,
  adopted: 0,
  offline: new Set(),
  earlier: { count: 0, at: undefined },
  errors: new Map(),
})

/** So many different messages are counted one by one. Scripts may write anything into theirs. */
const mostErrors = 1000

const addError = ({ errors }: FleetProgress, message: string): void => {
  const key = errors.has(message) || errors.size < mostErrors ? message : "other errors"
  errors.set(key, (errors.get(key) ?? 0) + 1)
}

const addEarlier = ({ earlier: { at, count } }: FleetProgress, created: DateTime.Utc | undefined) => ({
  count: count + 1,
  at: at === undefined || created === undefined ? (at ?? created) : DateTime.max(at, created),
})

/** Why sessions failed, the most frequent first. */
export const errorsOf = ({
  errors,
}: FleetProgress): ReadonlyArray<{ readonly message: string; readonly count: number }> =>
  Array.from(errors, ([message, count]) => ({ message, count })).toSorted((a, b) => b.count - a.count)

export const update = (fleet: FleetProgress, event: FleetEvent.FleetEvent): void => {
  fleet.sessions = FleetEvent.tally(fleet.sessions, event)
  switch (event.event) {
    case "started":
      fleet.running++
      if (event.as !== "new") fleet[event.as]++
      return
    case "offline":
      fleet.offline.add(event.machineId)
      fleet.running--
      return
    case "online":
      fleet.offline.delete(event.machineId)
      fleet.running++
      return
    case "ended":
    case "unfinished": {
      const isEarlier = event.event === "ended" && event.earlier
      const error = event.event === "ended" ? FleetEvent.errorOf(event.action) : undefined
      if (error !== undefined) addError(fleet, error)
      if (event.event === "ended" && event.earlier) fleet.earlier = addEarlier(fleet, event.action.created)
      if (!isEarlier && !fleet.offline.delete(event.machineId)) fleet.running--
      return
    }
    case "cancelled":
    case "notStarted":
    case "sessions":
      return
  }
}

/** Counts a machine that can't be found as one without a session. */
export const addBadMachine = (fleet: FleetProgress): void => {
  const { sessions } = fleet
  fleet.sessions = { ...sessions, notStarted: sessions.notStarted + 1 }
}

/** The number of machines that are done. */
export const finished = ({ sessions }: FleetProgress): number =>
  sessions.succeeded + sessions.failed + sessions.unfinished + sessions.notStarted

/** The number of machines that wait for a session to start. */
export const left = (fleet: FleetProgress): number =>
  Math.max(0, (fleet.total ?? 0) - finished(fleet) - fleet.running - fleet.offline.size)

export const failed = ({ sessions }: FleetProgress): boolean =>
  sessions.failed + sessions.unfinished + sessions.notStarted > 0
