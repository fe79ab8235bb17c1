/**
 * What can go wrong where logs of calls are kept.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { oneLine } from "./internal/text.ts"

/**
 * The log does not answer now: Redis is away, or another program is writing for long.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("@live-response/core/QuotaStoreError/Unreachable")(
  "Unreachable",
  { description: Schema.String },
) {}

/**
 * The log can't be read or written: the disk is full, the directory may not be written, the address is none.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unusable extends Schema.TaggedError<Unusable>("@live-response/core/QuotaStoreError/Unusable")("Unusable", {
  description: Schema.String,
}) {}

/**
 * The log was written by a newer version of this library: its schema is `version`, and this version knows those up to
 * `known`. It is left as it is, because the newer version may be using it.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Newer extends Schema.TaggedError<Newer>("@live-response/core/QuotaStoreError/Newer")("Newer", {
  version: Schema.Int,
  known: Schema.Int,
}) {}

/**
 * The log, or the directory that it is in, is not this user's alone: another user may have prepared it, or it is a link.
 * `description` says what is wrong, and where.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Untrusted extends Schema.TaggedError<Untrusted>("@live-response/core/QuotaStoreError/Untrusted")(
  "Untrusted",
  { description: Schema.String },
) {}

/**
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
 * Nobody knows whether a call may start, so none does, and a batch ends. `store` says where the log is kept, without a
 * password; `advice` is the next step.
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

  /** Whether the same may succeed a little later. */
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
