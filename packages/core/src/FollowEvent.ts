/**
 * What `Follow` reports beside the events of results: how far it has come, and what it waits for.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ResultError } from "./ResultError.ts"
import { ResultRef } from "./ResultRef.ts"

/** When it happened. */
const at = Schema.DateTimeUtcFromString

/**
 * Following resumes from a stored position: with actions created at `since` or later, and older ones that were not
 * handled.
 *
 * @since 0.1.0
 * @category events
 */
export class Resumed extends Schema.Class<Resumed>("@live-response/core/FollowEvent/Resumed")({
  event: Schema.tag("resumed"),
  since: Schema.DateTimeUtcFromString,
  at,
}) {}

/**
 * A search for new actions has succeeded; the next one starts at `next`.
 *
 * @since 0.1.0
 * @category events
 */
export class Searched extends Schema.Class<Searched>("@live-response/core/FollowEvent/Searched")({
  event: Schema.tag("searched"),
  next: Schema.DateTimeUtcFromString,
  at,
}) {}

/**
 * A result failed as often as `Timing` allows. Its action stays open, so the next run downloads the result again.
 *
 * @since 0.1.0
 * @category events
 */
export class GaveUp extends Schema.Class<GaveUp>("@live-response/core/FollowEvent/GaveUp")({
  event: Schema.tag("gaveUp"),
  ...ResultRef.fields,
  at,
}) {}

/**
 * No new action is found, or nothing can be downloaded, because of `error`, which is transient: it is tried again after a wait. Of several
 * searches that fail, the first one is reported.
 *
 * @since 0.1.0
 * @category events
 */
export class Unavailable extends Schema.Class<Unavailable>("@live-response/core/FollowEvent/Unavailable")({
  event: Schema.tag("unavailable"),
  message: Schema.String,
  error: ResultError,
  at,
}) {}

/**
 * Events of following.
 *
 * @since 0.1.0
 * @category models
 */
export const FollowEvent = Schema.Union([Resumed, Searched, GaveUp, Unavailable])

/**
 * @since 0.1.0
 * @category models
 */
export type FollowEvent = typeof FollowEvent.Type
