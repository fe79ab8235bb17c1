/**
 * The format of a line of `manifest.jsonl`.
 *
 * **Details**
 *
 * The format is apart from the events on purpose: an event may get a new required field, and the lines that are on disk
 * must stay readable. Lines that cannot be read are results that are downloaded again.
 *
 * - A line has a `version`. Lines that were written before there were versions have none and are of version 1.
 * - Fields that are not known are ignored, so a later release may add optional ones without a new version.
 * - A line of a newer version is refused: see `newerVersion`.
 *
 * @since 0.1.0
 */
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as FileName from "./FileName.ts"
import * as FormatVersion from "./internal/formatVersion.ts"
import { ResultError } from "./ResultError.ts"
import type * as ResultEvent from "./ResultEvent.ts"
import { Origin, ResultRef } from "./ResultRef.ts"

/**
 * The version of the lines that this release writes. It reads this version and all before it.
 *
 * @since 0.1.0
 * @category constants
 */
export const version = 1

const common = {
  version: Schema.optionalKey(Schema.Literal(version)),
  ...ResultRef.fields,
  ...Origin.fields,
  links: Schema.Int,
  attempts: Schema.Int,
  /** The first releases did not write it. */
  at: Schema.optionalKey(Schema.DateTimeUtcFromString),
}

/**
 * A result that is stored. `path` is relative to the directory of the manifest. With `unchecked` the result may be
 * incomplete, because the storage announced neither its length nor an MD5.
 *
 * **Gotchas**
 *
 * No path is taken from a file: a line whose `path` is not the one that its id and index give is not an entry.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Completed = Schema.Struct({
  status: Schema.tag("completed"),
  ...common,
  path: Schema.String,
  bytes: Schema.Int,
  sha256: Schema.String,
  etag: Schema.optionalKey(Schema.String),
  fileName: Schema.optionalKey(Schema.String),
  unchecked: Schema.optionalKey(Schema.Literal(true)),
}).check(
  Schema.makeFilter((entry) => FileName.kindOf(entry, entry.path) !== undefined || "Expected the path of its result"),
)

/**
 * @since 0.1.0
 * @category models
 */
export type Completed = typeof Completed.Type

/**
 * A result that could not be downloaded. `error` is plain JSON if a later release wrote an error that is not known here.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Failed = Schema.Struct({
  status: Schema.tag("failed"),
  ...common,
  message: Schema.String,
  error: Schema.Union([ResultError, Schema.Json]),
})

/**
 * @since 0.1.0
 * @category models
 */
export type Failed = typeof Failed.Type

/**
 * One line: a result that has finished, one way or the other.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ManifestEntry = Schema.Union([Completed, Failed])

/**
 * @since 0.1.0
 * @category models
 */
export type ManifestEntry = typeof ManifestEntry.Type

/**
 * The entry that records an event.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromEvent = (event: ResultEvent.Completed | ResultEvent.Failed): ManifestEntry => {
  if (event.event === "failed") {
    const { event: _, ...entry } = event
    return { status: "failed", version, ...entry }
  }
  const { event: _, ...entry } = event
  return { status: "completed", version, ...entry }
}

/**
 * The version of a line, if it is newer than this release can read.
 *
 * @since 0.1.0
 * @category checking
 */
export const newerVersion = (line: unknown): Option.Option<number> => FormatVersion.newer(line, version)
