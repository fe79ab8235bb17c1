/**
 * The progress of a batch, counted from its events.
 */
import * as BatchEvent from "@live-response/core/BatchEvent"
import type { Skipped } from "@live-response/core/ResultEvent"
import { keyOf } from "@live-response/core/ResultRef"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as FailureReasons from "./FailureReasons.ts"
import type { FleetProgress } from "./FleetProgress.ts"

/** How far the download of one result is. */
export interface Transfer {
  readonly bytes: number
  readonly total: number | undefined
}

/** It is mutable, because a batch has millions of events. */
export interface DownloadProgress {
  summary: BatchEvent.Summary
  /** The number of targets, if it is known. */
  total: number | undefined
  /** Downloads that take long enough to report progress. */
  readonly transfers: Map<string, Transfer>
  retries: number
  /** Lines of lists that name nothing. They count as failed, and fail again until somebody corrects them. */
  wrongLines: number
  /** Names that lead to no machine, or to several. */
  wrongNames: number
  /** Why results failed. */
  readonly reasons: FailureReasons.Reasons
  /** Targets that were skipped, by the reason. */
  readonly skipped: Record<Skipped["reason"], number>
  /** Collected files that were not unpacked. */
  notExtracted: number
  interrupted: boolean
  /** Whether an error ended the command, which is printed after the summary. */
  endedByError: boolean
  /** With `--follow`: when new machine actions were last searched for, and the time until the next search. */
  search: { readonly last: DateTime.Utc; readonly next: Duration.Duration } | undefined
  /** With `run`: the machines. */
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
  wrongLines: 0,
  wrongNames: 0,
  reasons: new Map(),
  skipped: { present: 0, duplicate: 0, absent: 0 },
  notExtracted: 0,
  interrupted: false,
  endedByError: false,
  search: undefined,
})

export const update = (progress: DownloadProgress, event: BatchEvent.BatchEvent): void => {
  switch (event.event) {
    case "progress":
      progress.transfers.set(keyOf(event), { bytes: event.bytes, total: event.total })
      return
    case "retrying":
      progress.retries++
      return
    case "notExtracted":
      progress.notExtracted++
      return
    case "completed":
    case "failed":
    case "skipped":
      if (event.event === "failed") FailureReasons.add(progress.reasons, event.message)
      if (event.event === "skipped") progress.skipped[event.reason]++
      progress.transfers.delete(keyOf(event))
      progress.summary = BatchEvent.tally(progress.summary, event)
      return
    case "linked":
      progress.summary = BatchEvent.tally(progress.summary, event)
      return
    case "extracted":
    case "waiting":
    case "offline":
    case "summary":
      return
  }
}

/** Counts what names no target as a failed one. */
export const addBadTarget = (progress: DownloadProgress): void => {
  progress.summary = BatchEvent.Summary.make({ ...progress.summary, failed: progress.summary.failed + 1 })
}

/** The number of targets that are done. */
export const finished = ({ summary }: DownloadProgress): number => summary.completed + summary.skipped + summary.failed
