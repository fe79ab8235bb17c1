/**
 * The events of a batch: those of its results, its waits, and its summary.
 *
 * **Details**
 *
 * Events encode to JSON as the command line prints them with `--json`.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as TrustedInstance from "./internal/trustedInstance.ts"
import { ResultError } from "./ResultError.ts"
import { ResultEvent } from "./ResultEvent.ts"

const at = Schema.DateTimeUtcFromString

/**
 * A quota is used up: that of links to results, or that of the calls `api`, such as `GetPackageUri` for links to investigation
 * packages. The next call starts at `until`.
 *
 * @since 0.1.0
 * @category events
 */
export class Waiting extends Schema.Class<Waiting>("@live-response/core/BatchEvent/Waiting")({
  event: Schema.tag("waiting"),
  until: Schema.DateTimeUtcFromString,
  api: Schema.optionalKey(Schema.String),
  at,
}) {}

/**
 * The API, the sign-in server or the storage can't be reached. The next attempt is at `until`.
 *
 * **Details**
 *
 * Emitted once for each attempt, however many results wait. At `givesUpAt` the batch stops waiting; absent if it waits without
 * a limit.
 *
 * @since 0.1.0
 * @category events
 */
export class Offline extends Schema.Class<Offline>("@live-response/core/BatchEvent/Offline")({
  event: Schema.tag("offline"),
  until: Schema.DateTimeUtcFromString,
  givesUpAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  message: Schema.String,
  error: ResultError,
  at,
}) {}

/**
 * What the batch did. It is always the last event.
 *
 * **Details**
 *
 * `bytes` counts the results that this run completed. `unchecked` says how many of them are marked as `unchecked`; it is
 * absent if none is.
 *
 * @since 0.1.0
 * @category events
 */
export class Summary extends Schema.Class<Summary>("@live-response/core/BatchEvent/Summary")({
  event: Schema.tag("summary"),
  completed: Schema.Int,
  skipped: Schema.Int,
  failed: Schema.Int,
  bytes: Schema.Int,
  links: Schema.Int,
  unchecked: Schema.optionalKey(Schema.Int),
  at,
}) {}

/**
 * Any event of a batch.
 *
 * @since 0.1.0
 * @category schemas
 */
export const BatchEvent = Schema.Union([...ResultEvent.members, Waiting, Offline, Summary])

/**
 * @since 0.1.0
 * @category models
 */
export type BatchEvent = typeof BatchEvent.Type

/**
 * The summary of a batch without any event.
 *
 * @since 0.1.0
 * @category summary
 */
export const emptySummary: Summary = Summary.make({
  at: DateTime.makeUnsafe(0),
  completed: 0,
  skipped: 0,
  failed: 0,
  bytes: 0,
  links: 0,
})

/**
 * Adds an event to a summary, whose `at` becomes that of the event.
 *
 * @since 0.1.0
 * @category summary
 */
export const tally = (summary: Summary, event: BatchEvent): Summary => {
  const { at } = event
  switch (event.event) {
    case "linked":
      return TrustedInstance.make(Summary, { ...summary, at, links: summary.links + 1 })
    case "completed":
      return TrustedInstance.make(Summary, {
        ...summary,
        at,
        completed: summary.completed + 1,
        bytes: summary.bytes + event.bytes,
        ...(event.unchecked === true ? { unchecked: (summary.unchecked ?? 0) + 1 } : {}),
      })
    case "skipped":
      return TrustedInstance.make(Summary, { ...summary, at, skipped: summary.skipped + 1 })
    case "failed":
      return TrustedInstance.make(Summary, { ...summary, at, failed: summary.failed + 1 })
    case "extracted":
    case "notExtracted":
    case "progress":
    case "retrying":
    case "waiting":
    case "offline":
    case "summary":
      return summary
  }
}
