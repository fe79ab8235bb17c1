/**
 * What can go wrong with the logs of calls that a quota counts by.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { oneLine } from "./internal/text.ts"
import { Wait } from "./internal/waitSchema.ts"

/**
 * No call may start now: the quota is used up, or the server throttles. The next one may start after `retryAfter` at the
 * earliest.
 *
 * @since 0.1.0
 * @category errors
 */
export class QuotaFull extends Schema.TaggedError<QuotaFull>("@live-response/core/QuotaStoreError/QuotaFull")(
  "QuotaFull",
  { retryAfter: Wait },
) {}

/**
 * The log does not answer now: Redis is down, or another program is holding the file.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("@live-response/core/QuotaStoreError/Unreachable")(
  "Unreachable",
  { description: Schema.String },
) {}

/**
 * The log can't be read or written: the disk is full, the directory is not writable, or the address is wrong.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unusable extends Schema.TaggedError<Unusable>("@live-response/core/QuotaStoreError/Unusable")("Unusable", {
  description: Schema.String,
}) {}

/**
 * The log was written by a newer version of this library: its schema is `version`, and this version knows schemas up to
 * `known`. The log is left as it is, because the newer version may be using it.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Newer extends Schema.TaggedError<Newer>("@live-response/core/QuotaStoreError/Newer")("Newer", {
  version: Schema.Int,
  known: Schema.Int,
}) {}

/**
 * Another user may have prepared the log or its directory, or one of them is a symbolic link. `description` says what is
 * wrong, and where.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Untrusted extends Schema.TaggedError<Untrusted>("@live-response/core/QuotaStoreError/Untrusted")(
  "Untrusted",
  { description: Schema.String },
) {}

/**
 * Any reason why a log can't be used.
 *
 * @since 0.1.0
 * @category reasons
 */
export const Reason = Schema.Union([Unreachable, Unusable, Newer, Untrusted])

/**
 * @since 0.1.0
 * @category reasons
 */
export type Reason = typeof Reason.Type

/**
 * The log of calls can't be used, so no call may start.
 *
 * **Details**
 *
 * `store` says where the log is, without a password; `advice` is the next step. Every call would fail with the same error,
 * so it ends a batch.
 *
 * @since 0.1.0
 * @category errors
 */
export class QuotaStoreError extends Schema.TaggedError<QuotaStoreError>("@live-response/core/QuotaStoreError")(
  "QuotaStoreError",
  { store: Schema.String, reason: Reason, advice: Schema.String },
) {
  override get message(): string {
    return oneLine(`the quota's log in ${this.store} ${problemOf(this.reason)}; ${this.advice}`)
  }

  /** Whether a retry may succeed. */
  get isRetryable(): boolean {
    return this.reason._tag === "Unreachable"
  }
}

const problemOf = (reason: Reason): string => {
  switch (reason._tag) {
    case "Unreachable":
      return `does not answer (${reason.description})`
    case "Unusable":
      return `can't be used (${reason.description})`
    case "Untrusted":
      return `is not safe to use (${reason.description})`
    case "Newer":
      return `was written by a newer version of live-response (schema ${reason.version}, this one knows ${reason.known})`
  }
}
