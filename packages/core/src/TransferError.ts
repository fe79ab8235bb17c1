/**
 * The errors of a download from the storage.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Connection from "./internal/connectionFailure.ts"
import { oneLine } from "./internal/text.ts"
import { Wait } from "./internal/waitSchema.ts"

const answer = { status: Schema.Int, code: Schema.optionalKey(Schema.String) }

const describe = (answer: { readonly status: number; readonly code?: string }): string =>
  `HTTP ${answer.status}${answer.code === undefined ? "" : ` ${answer.code}`}`

/**
 * The storage refused the link, and then the renewed link.
 *
 * **Details**
 *
 * A refused link is renewed at once, so the error of a result means that two links were refused. Only that of a `retrying`
 * event means one.
 *
 * @since 0.1.0
 * @category reasons
 */
export class LinkRefused extends Schema.TaggedError<LinkRefused>("@live-response/core/TransferError/LinkRefused")(
  "LinkRefused",
  answer,
) {
  override get message(): string {
    return `the storage refused the link (${describe(this)}): it expired, or a proxy changed it, or the storage is closed to this network`
  }
}

/**
 * The link was not followed, because its `host` resolves to an address of this machine or of a private network and that of
 * the API does not.
 *
 * @since 0.1.0
 * @category reasons
 */
export class LinkInvalid extends Schema.TaggedError<LinkInvalid>("@live-response/core/TransferError/LinkInvalid")(
  "LinkInvalid",
  { host: Schema.optionalKey(Schema.String) },
) {
  override get message(): string {
    return `the link is not followed, because ${this.host ?? "its host"} resolves to an address of this machine or of a private network; if that is your own gateway, set HTTPS_PROXY or use --any-storage-host`
  }
}

/** The storage's codes that a new link does not change, in words. */
const meanings = new Map(
  Object.entries({
    AuthorizationProtocolMismatch: "the link is not for the protocol that it was used with",
    AuthorizationSourceIPMismatch: "the link is not for this machine's address",
    AuthorizationPermissionMismatch: "the link does not permit reading",
    AuthorizationResourceTypeMismatch: "the link is not for a result",
    AuthorizationServiceMismatch: "the link is not for this storage service",
    InsufficientAccountPermissions: "the storage account does not permit reading",
    PublicAccessNotPermitted: "the storage account does not permit access without a signature; was the link changed?",
    KeyBasedAuthenticationNotPermitted: "the storage account does not permit links",
    AccountIsDisabled: "the storage account is disabled",
  }),
)

/**
 * The storage answered with an error that a new link does not change. The body of the answer is never stored as a result.
 *
 * @see https://learn.microsoft.com/en-us/rest/api/storageservices/common-rest-api-error-codes
 * @since 0.1.0
 * @category reasons
 */
export class Refused extends Schema.TaggedError<Refused>("@live-response/core/TransferError/Refused")(
  "Refused",
  answer,
) {
  override get message(): string {
    const meaning = meanings.get(this.code ?? "")
    return `the storage refused the download (${describe(this)})${meaning === undefined ? "" : `: ${meaning}`}`
  }
}

/**
 * The storage is unavailable: HTTP 408, 429 or 5xx. `retryAfter` is the wait that it asked for, if it asked for one.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unavailable extends Schema.TaggedError<Unavailable>("@live-response/core/TransferError/Unavailable")(
  "Unavailable",
  { ...answer, retryAfter: Schema.optionalKey(Wait) },
) {
  override get message(): string {
    return `the storage is unavailable (${describe(this)})`
  }
}

/**
 * Something between this machine and the storage answered, such as a web gateway with a page. The page is never stored as
 * a result.
 *
 * **Details**
 *
 * `via` is the name that the gateway gives itself in the headers, and `title` the title of its page.
 *
 * @since 0.1.0
 * @category reasons
 */
export class NotFromStorage extends Schema.TaggedError<NotFromStorage>(
  "@live-response/core/TransferError/NotFromStorage",
)("NotFromStorage", {
  status: Schema.Int,
  contentType: Schema.optionalKey(Schema.String),
  via: Schema.optionalKey(Schema.String),
  title: Schema.optionalKey(Schema.String),
}) {
  override get message(): string {
    const { contentType, status, title, via } = this
    const details = [
      `HTTP ${status}`,
      ...(contentType === undefined ? [] : [contentType]),
      ...(title === undefined ? [] : [`"${title}"`]),
      ...(via === undefined ? [] : [`by ${via}`]),
    ]
    return `something between this machine and the storage answered instead of it (${details.join(", ")}); allow *.blob.core.windows.net there, or run from another network`
  }
}

/**
 * There was no connection, it broke, or the body ended early.
 *
 * **Details**
 *
 * `kind` says why there was no connection, and `waited` how long the download waited for one before it gave up.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Broken extends Schema.TaggedError<Broken>("@live-response/core/TransferError/Broken")("Broken", {
  offset: Schema.Int,
  description: Schema.String,
  kind: Schema.optionalKey(Connection.Cause),
  waited: Schema.optionalKey(Wait),
}) {
  override get message(): string {
    if (this.kind !== undefined) {
      return `the storage can't be reached (${this.description}); ${Connection.nextStep(this.kind)}`
    }
    return `the download broke at byte ${this.offset} (${this.description})`
  }
}

/**
 * No byte arrived for `timeout`, or bytes arrived more slowly than the minimum rate: then `rate` is the rate over `timeout`,
 * in bytes a second.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Stalled extends Schema.TaggedError<Stalled>("@live-response/core/TransferError/Stalled")("Stalled", {
  offset: Schema.Int,
  timeout: Wait,
  rate: Schema.optionalKey(Schema.Finite),
}) {
  override get message(): string {
    if (this.rate !== undefined) {
      return `the download stalled at byte ${this.offset}: only ${Math.round(this.rate)} bytes a second arrived for ${Duration.format(this.timeout)}`
    }
    return `the download stalled at byte ${this.offset}: nothing arrived for ${Duration.format(this.timeout)}`
  }
}

/**
 * The result is larger than `DownloadLimits.maxBytes`. `length` is the announced length, if one was announced.
 *
 * @since 0.1.0
 * @category reasons
 */
export class TooLarge extends Schema.TaggedError<TooLarge>("@live-response/core/TransferError/TooLarge")("TooLarge", {
  limit: Schema.Finite,
  length: Schema.optionalKey(Schema.Finite),
}) {
  override get message(): string {
    const size = this.length === undefined ? "" : ` (${this.length} bytes)`
    return `the result${size} exceeds the limit of ${this.limit} bytes; nothing was stored; raise the limit (--max-bytes) to download it`
  }
}

/**
 * The downloaded bytes do not have the announced length, range or MD5, or the `file` does not have the size of the bytes
 * that were written to it.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Mismatch extends Schema.TaggedError<Mismatch>("@live-response/core/TransferError/Mismatch")("Mismatch", {
  what: Schema.Literals(["length", "range", "md5", "file"]),
  expected: Schema.String,
  actual: Schema.String,
}) {
  override get message(): string {
    if (this.what === "file") {
      return `the file has ${this.actual} but ${this.expected} were written, so another program writes to it; nothing was stored, run it again when that program has finished`
    }
    return `the ${this.what} of the downloaded bytes is ${this.actual} but the storage announced ${this.expected}; nothing was stored`
  }
}

/**
 * The result changed in storage after bytes of it were emitted, so the stream can't continue.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Changed extends Schema.TaggedError<Changed>("@live-response/core/TransferError/Changed")("Changed", {
  offset: Schema.Int,
}) {
  override get message(): string {
    return `the result changed in storage after ${this.offset} bytes of it had been read; read it again from the start`
  }
}

/**
 * Any reason of a `TransferError`.
 *
 * @since 0.1.0
 * @category reasons
 */
export const Reason = Schema.Union([
  LinkRefused,
  LinkInvalid,
  Refused,
  Unavailable,
  NotFromStorage,
  Broken,
  Stalled,
  TooLarge,
  Mismatch,
  Changed,
])

/**
 * @since 0.1.0
 * @category reasons
 */
export type Reason = typeof Reason.Type

/**
 * The bytes of a result could not be downloaded.
 *
 * **Details**
 *
 * `result` is `<machineActionId>:<index>`. The error never contains the link, which is a secret.
 *
 * @since 0.1.0
 * @category errors
 */
export class TransferError extends Schema.TaggedError<TransferError>("@live-response/core/TransferError")(
  "TransferError",
  { result: Schema.String, reason: Reason },
) {
  override get message(): string {
    return oneLine(`${this.result}: ${this.reason.message}`)
  }

  /** Whether the cause is the configuration of this machine: the certificates that it trusts, or its proxy. */
  get isLocal(): boolean {
    return this.reason._tag === "Broken" && Connection.isLasting(this.reason.kind)
  }

  /** Whether a retry may succeed. */
  get isRetryable(): boolean {
    switch (this.reason._tag) {
      case "Unavailable":
      case "NotFromStorage":
      case "Stalled":
        return true
      case "Broken":
        return !this.isLocal
      default:
        return false
    }
  }
}
