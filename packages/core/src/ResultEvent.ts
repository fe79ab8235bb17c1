/**
 * The events of one result: its links, its progress, and how it finished.
 *
 * **Details**
 *
 * Events encode to JSON as the command line prints them with `--json`. Every event has `at`, the time at which it
 * happened, and names its result by `machineActionId` and `index`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ExtractionError } from "./Extraction.ts"
import { ResultError } from "./ResultError.ts"
import { StoreError } from "./StoreError.ts"
import { Origin, ResultRef } from "./ResultRef.ts"

const at = Schema.DateTimeUtcFromString

const ofResult = ResultRef.fields

/** The events that the manifest records also say where the result comes from, if that is known. */
const ofFinished = { ...ofResult, ...Origin.fields }

/**
 * The API gave a download link, the `links`-th one for this result.
 *
 * @since 0.1.0
 * @category events
 */
export class Linked extends Schema.Class<Linked>("@live-response/core/ResultEvent/Linked")({
  event: Schema.tag("linked"),
  ...ofResult,
  links: Schema.Int,
  at,
}) {}

/**
 * A download in progress received bytes: `bytes` of `total` so far.
 *
 * **Details**
 *
 * Emitted about once a second for each result in progress. `total` is absent if the storage announced no length.
 *
 * @since 0.1.0
 * @category events
 */
export class Progress extends Schema.Class<Progress>("@live-response/core/ResultEvent/Progress")({
  event: Schema.tag("progress"),
  ...ofResult,
  bytes: Schema.Int,
  total: Schema.optionalKey(Schema.Int),
  at,
}) {}

/**
 * A call or a download failed with `error`, and is retried after `delay` (milliseconds in JSON).
 *
 * @since 0.1.0
 * @category events
 */
export class Retrying extends Schema.Class<Retrying>("@live-response/core/ResultEvent/Retrying")({
  event: Schema.tag("retrying"),
  ...ofResult,
  delay: Schema.DurationFromMillis,
  message: Schema.String,
  error: ResultError,
  at,
}) {}

/**
 * The result is stored, complete and checked unless `unchecked` is set.
 *
 * **Details**
 *
 * `path` is relative to the directory of results, and `bytes` and `sha256` describe the file there. `links` and `attempts`
 * count the links and the downloads that the result needed.
 *
 * **Gotchas**
 *
 * `fileName` is the name that the storage or the gzip header announced. The machine chose it: display it, and never use it
 * as a path. With `unchecked` the result may be incomplete, because the storage announced neither its length nor an MD5.
 *
 * @since 0.1.0
 * @category events
 */
export class Completed extends Schema.Class<Completed>("@live-response/core/ResultEvent/Completed")({
  event: Schema.tag("completed"),
  ...ofFinished,
  path: Schema.String,
  bytes: Schema.Int,
  sha256: Schema.String,
  etag: Schema.optionalKey(Schema.String),
  fileName: Schema.optionalKey(Schema.String),
  unchecked: Schema.optionalKey(Schema.Literal(true)),
  links: Schema.Int,
  attempts: Schema.Int,
  at,
}) {}

/**
 * The result needs no download.
 *
 * **Details**
 *
 * - `present`: an earlier run stored it
 * - `duplicate`: the batch named it before
 * - `absent`: `MachineAction.hasResult` says `maybe` of it, and the API has no result
 *
 * @since 0.1.0
 * @category events
 */
export class Skipped extends Schema.Class<Skipped>("@live-response/core/ResultEvent/Skipped")({
  event: Schema.tag("skipped"),
  ...ofResult,
  reason: Schema.Literals(["present", "duplicate", "absent"]),
  at,
}) {}

/**
 * A collected file was unpacked to `path`, which has `bytes` bytes.
 *
 * @since 0.1.0
 * @category events
 */
export class Extracted extends Schema.Class<Extracted>("@live-response/core/ResultEvent/Extracted")({
  event: Schema.tag("extracted"),
  ...ofResult,
  path: Schema.String,
  bytes: Schema.Int,
  at,
}) {}

/**
 * A collected file was not unpacked. The file itself, at `path`, is as it was downloaded.
 *
 * @since 0.1.0
 * @category events
 */
export class NotExtracted extends Schema.Class<NotExtracted>("@live-response/core/ResultEvent/NotExtracted")({
  event: Schema.tag("notExtracted"),
  ...ofResult,
  path: Schema.String,
  message: Schema.String,
  error: Schema.Union([ExtractionError, StoreError]),
  at,
}) {}

/**
 * The result could not be downloaded. The batch continues with the others.
 *
 * @since 0.1.0
 * @category events
 */
export class Failed extends Schema.Class<Failed>("@live-response/core/ResultEvent/Failed")({
  event: Schema.tag("failed"),
  ...ofFinished,
  message: Schema.String,
  error: ResultError,
  links: Schema.Int,
  attempts: Schema.Int,
  at,
}) {}

/**
 * Any event of one result.
 *
 * @since 0.1.0
 * @category schemas
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
