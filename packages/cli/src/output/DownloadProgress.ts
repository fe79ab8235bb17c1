/**
 * What a person wants to know of a batch under way, folded from its events.
 */
import * as BatchEvent from "@live-response/core/BatchEvent"
import type * as ResultEvent from "@live-response/core/ResultEvent"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type { FleetProgress } from "./FleetProgress.ts"

export interface Transfer {
  readonly bytes: number
  readonly total: number | undefined
}

/** Everything that is shown. It is changed in place: a batch has millions of events. */
export interface DownloadProgress {
  summary: BatchEvent.Summary
  /** How many targets there are, where that is known. */
  total: number | undefined
  /** Downloads that have been under way long enough to tell of their progress. */
  readonly transfers: Map<string, Transfer>
  retries: number
  /** Commands that turned out to have no result. */
  absent: number
  /** Collected files that were not unpacked. */
  notExtracted: number
  interrupted: boolean
  /** When new machine actions were last searched for, and how long after that they are again, where they are followed. */
  look: { readonly last: DateTime.Utc; readonly next: Duration.Duration } | undefined
  /** The machines that a session is run on, where that is what is done. */
  readonly fleet: FleetProgress | undefined
  /** Whether results are downloaded. */
  readonly isSaving: boolean
}

export const make = (kind: Pick<DownloadProgress, "fleet" | "isSaving">): DownloadProgress => ({
  ...kind,
  summary: BatchEvent.emptySummary,
  total: undefined,
  transfers: new Map(),
  retries: 0,
  absent: 0,
  notExtracted: 0,
  interrupted: false,
  look: undefined,
})

const keyOf = (event: ResultEvent.ResultEvent) => `${event.machineActionId}:${event.index}`

export const update = (view: DownloadProgress, event: BatchEvent.BatchEvent): void => {
  switch (event.event) {
    case "progress":
      view.transfers.set(keyOf(event), { bytes: event.bytes, total: event.total })
      return
    case "retrying":
      view.retries++
      return
    case "notExtracted":
      view.notExtracted++
      return
    case "completed":
    case "failed":
    case "skipped":
      if (event.event === "skipped" && event.reason === "absent") view.absent++
      view.transfers.delete(keyOf(event))
      view.summary = BatchEvent.tally(view.summary, event)
      return
    case "linked":
      view.summary = BatchEvent.tally(view.summary, event)
      return
    case "extracted":
    case "waiting":
    case "offline":
    case "summary":
      return
  }
}

/** A broken line counts as a target that failed. */
export const addBadTarget = (view: DownloadProgress): void => {
  view.summary = BatchEvent.Summary.make({ ...view.summary, failed: view.summary.failed + 1 })
}

export const finished = ({ summary }: DownloadProgress): number => summary.completed + summary.skipped + summary.failed
