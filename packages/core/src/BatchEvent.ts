/**
 * What happens in a batch, told as it happens. The events encode to JSON as the command line prints them with `--json`.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { CredentialError } from "./CredentialError.ts"
import { DefectError } from "./DefectError.ts"
import { DefenderError } from "./DefenderError.ts"
import { ExtractionError } from "./Extraction.ts"
import { QuotaStoreError } from "./QuotaStoreError.ts"
import { Origin, ResultRef } from "./ResultRef.ts"
import { StoreError } from "./StoreError.ts"
import { TransferError } from "./TransferError.ts"

/**
 * Any error that a result can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export const ResultError = Schema.Union([
  DefenderError,
  TransferError,
  StoreError,
  CredentialError,
  QuotaStoreError,
  DefectError,
])

/**
 * @since 0.1.0
 * @category models
 */
export type ResultError = typeof ResultError.Type

/** When it happened. */
const at = Schema.DateTimeUtcFromString

const ofResult = ResultRef.fields

/** What is recorded of a result for good names where it comes from, where that is known. */
const ofFinished = { ...ofResult, ...Origin.fields }

/**
 * A link was made: the `links`-th one for this result.
 *
 * @since 0.1.0
 * @category events
 */
export class Linked extends Schema.Class<Linked>("@live-response/core/BatchEvent/Linked")({
  event: Schema.tag("linked"),
  ...ofResult,
  links: Schema.Int,
  at,
}) {}

/**
 * Bytes came. Told about once a second for each result under way.
 *
 * @since 0.1.0
 * @category events
 */
export class Progress extends Schema.Class<Progress>("@live-response/core/BatchEvent/Progress")({
  event: Schema.tag("progress"),
  ...ofResult,
  bytes: Schema.Int,
  total: Schema.optionalKey(Schema.Int),
  at,
}) {}

/**
 * Something failed, and is tried again after `delay` (milliseconds).
 *
 * @since 0.1.0
 * @category events
 */
export class Retrying extends Schema.Class<Retrying>("@live-response/core/BatchEvent/Retrying")({
  event: Schema.tag("retrying"),
  ...ofResult,
  delay: Schema.DurationFromMillis,
  message: Schema.String,
  error: ResultError,
  at,
}) {}

/**
 * The result is there, whole and checked. `bytes` and `sha256` are of the file; `path` is relative to the directory of
 * results; `links` and `attempts` say how many links and how many downloads it took. `fileName` is the name that the storage
 * or the gzip header announced: a machine's choice, for display alone, and never a path to write to.
 *
 * @since 0.1.0
 * @category events
 */
export class Completed extends Schema.Class<Completed>("@live-response/core/BatchEvent/Completed")({
  event: Schema.tag("completed"),
  ...ofFinished,
  path: Schema.String,
  bytes: Schema.Int,
  sha256: Schema.String,
  etag: Schema.optionalKey(Schema.String),
  fileName: Schema.optionalKey(Schema.String),
  links: Schema.Int,
  attempts: Schema.Int,
  at,
}) {}

/**
 * Nothing to do: the result is here from an earlier run (`present`), or the batch names it twice (`duplicate`). `absent` is
 * a result that `MachineAction.hasResult` calls `maybe`, where it turned out that there is no result.
 *
 * @since 0.1.0
 * @category events
 */
export class Skipped extends Schema.Class<Skipped>("@live-response/core/BatchEvent/Skipped")({
  event: Schema.tag("skipped"),
  ...ofResult,
  reason: Schema.Literals(["present", "duplicate", "absent"]),
  at,
}) {}

/**
 * A collected file was unpacked: `bytes` is the size of what came out of it, and `path` where that is.
 *
 * @since 0.1.0
 * @category events
 */
export class Extracted extends Schema.Class<Extracted>("@live-response/core/BatchEvent/Extracted")({
  event: Schema.tag("extracted"),
  ...ofResult,
  path: Schema.String,
  bytes: Schema.Int,
  at,
}) {}

/**
 * A collected file was not unpacked: it is damaged or too large, or something else stands in the place of what would be
 * unpacked. The file itself is there, as it came.
 *
 * @since 0.1.0
 * @category events
 */
export class NotExtracted extends Schema.Class<NotExtracted>("@live-response/core/BatchEvent/NotExtracted")({
  event: Schema.tag("notExtracted"),
  ...ofResult,
  path: Schema.String,
  message: Schema.String,
  error: Schema.Union([ExtractionError, StoreError]),
  at,
}) {}

/**
 * The result could not be had. The batch goes on.
 *
 * @since 0.1.0
 * @category events
 */
export class Failed extends Schema.Class<Failed>("@live-response/core/BatchEvent/Failed")({
  event: Schema.tag("failed"),
  ...ofFinished,
  message: Schema.String,
  error: ResultError,
  links: Schema.Int,
  attempts: Schema.Int,
  at,
}) {}

/**
 * The quota is used up; calls go on at `until`.
 *
 * @since 0.1.0
 * @category events
 */
export class Waiting extends Schema.Class<Waiting>("@live-response/core/BatchEvent/Waiting")({
  event: Schema.tag("waiting"),
  until: Schema.DateTimeUtcFromString,
  at,
}) {}

/**
 * No connection can be made to the API, the sign-in server or the storage; the next attempt is at `until`. It is emitted
 * once for each attempt, however many results wait.
 *
 * @since 0.1.0
 * @category events
 */
export class Offline extends Schema.Class<Offline>("@live-response/core/BatchEvent/Offline")({
  event: Schema.tag("offline"),
  until: Schema.DateTimeUtcFromString,
  message: Schema.String,
  error: ResultError,
  at,
}) {}

/**
 * How the batch ended, always last. `bytes` counts completed results of this run.
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
  at,
}) {}

/**
 * Events of one result.
 *
 * @since 0.1.0
 * @category models
 */
export const ResultEvent = Schema.Union([
  Linked,
  Progress,
  Retrying,
  Completed,
  Skipped,
  Extracted,
  NotExtracted,
  Failed,
])

/**
 * @since 0.1.0
 * @category models
 */
export type ResultEvent = typeof ResultEvent.Type

/**
 * Events of a batch.
 *
 * @since 0.1.0
 * @category models
 */
export const BatchEvent = Schema.Union([...ResultEvent.members, Waiting, Offline, Summary])

/**
 * @since 0.1.0
 * @category models
 */
export type BatchEvent = typeof BatchEvent.Type

/**
 * The summary of a batch in which nothing has happened yet.
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
 * Counts an event in. The summary is as of that event.
 *
 * @since 0.1.0
 * @category summary
 */
export const tally = (summary: Summary, event: BatchEvent): Summary => {
  const { at } = event
  switch (event.event) {
    case "linked":
      return Summary.make({ ...summary, at, links: summary.links + 1 })
    case "completed":
      return Summary.make({ ...summary, at, completed: summary.completed + 1, bytes: summary.bytes + event.bytes })
    case "skipped":
      return Summary.make({ ...summary, at, skipped: summary.skipped + 1 })
    case "failed":
      return Summary.make({ ...summary, at, failed: summary.failed + 1 })
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
