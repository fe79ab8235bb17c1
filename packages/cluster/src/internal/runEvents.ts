/** The events of a run that is executed: what was stored before, and the way to store more. */
import type { BatchEvent } from "@live-response/core/BatchEvent"
import * as FleetEvent from "@live-response/core/FleetEvent"
import type * as FleetJournal from "@live-response/core/FleetJournal"
import type { MachineActionId } from "@live-response/core/MachineAction"
import type * as ResultEvent from "@live-response/core/ResultEvent"
import * as ResultRef from "@live-response/core/ResultRef"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { RunEvent, RunId } from "../ClusterRun.ts"
import type * as RunLog from "./runLog.ts"
import { RunProgress } from "./runProgress.ts"

const isPresent = (event: BatchEvent): event is ResultEvent.Skipped =>
  event.event === "skipped" && event.reason === "present"

/**
 * The events of an entry of the journal that its execution did not store, because it was stopped right after the entry. What the run
 * has stored already is dropped where the events are appended.
 */
const ofEntry = (
  { machineId, ...entry }: FleetJournal.Entry,
  now: DateTime.Utc,
): ReadonlyArray<FleetEvent.FleetEvent> => {
  const of = { machineId, at: entry.at ?? now }
  const started = (machineActionId: MachineActionId) =>
    FleetEvent.Started.make({ ...of, machineActionId, as: "resumed" })
  switch (entry.entry) {
    case "starting": {
      const message = `live response on ${machineId}: whether it has started is not known; the same run, given to the cluster again, searches for it`
      return [FleetEvent.NotStarted.make({ ...of, message, mayHaveStarted: true })]
    }
    case "started":
      return [started(entry.machineActionId)]
    case "ended":
      return [started(entry.action.id), FleetEvent.Ended.make({ ...of, action: entry.action, earlier: false })]
    case "notStarted":
      return []
  }
}

/** Reads the events of a run that were stored before. */
export const open = Effect.fnUntraced(function* (log: RunLog.RunLog, run: RunId) {
  const progress = new RunProgress()
  let next = 1
  yield* Stream.runForEach(log.events(run), ({ event, n }) =>
    Effect.sync(() => {
      progress.take(event)
      next = n + 1
    }),
  )
  /**
   * A result of a session of this run that is present was stored since: by an execution that ended before it could say so, or
   * by what follows the tenant. What is watched agrees with what is stored.
   */
  const asStored = Effect.fnUntraced(function* (events: ReadonlyArray<BatchEvent>) {
    const present = events.filter(isPresent).filter((event) => progress.isOwn(event))
    const completed = new Map((yield* log.completed(present)).map((event) => [ResultRef.keyOf(event), event]))
    return events.map((event) => (isPresent(event) ? (completed.get(ResultRef.keyOf(event)) ?? event) : event))
  })
  const oneAtATime = yield* Semaphore.make(1)
  const append = (events: ReadonlyArray<RunEvent>) =>
    Effect.suspend(() => {
      const news = events.map((event) => progress.take(event)).filter((event) => event !== undefined)
      if (news.length === 0) return Effect.void
      const first = next
      next += news.length
      return log.append(run, first, news, progress.counts)
    }).pipe(oneAtATime.withPermit)
  const appendResults = (events: ReadonlyArray<BatchEvent>) =>
    Effect.flatMap(asStored(events), (stored) => append(stored.map((result) => ({ result }))))
  const settleSessions = Effect.fnUntraced(function* () {
    const now = yield* DateTime.now
    const entries = yield* Stream.runCollect(log.sessions(run))
    yield* append(entries.flatMap((entry) => ofEntry(entry, now)).map((session) => ({ session })))
  })
  const settleResults = Effect.suspend(() =>
    log.completed(progress.resultsLeft.filter((ref) => progress.isOwn(ref))),
  ).pipe(Effect.flatMap((completed) => append(completed.map((result) => ({ result })))))
  /** Appends what was recorded without an event, where no execution will look at it again. */
  const settle = Effect.suspend(() => Effect.andThen(settleSessions(), settleResults))
  return { progress, append, appendResults, settle }
})
