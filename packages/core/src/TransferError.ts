/**
 * What can go wrong while the bytes of a result come from its storage.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Connection from "./internal/connection.ts"
import { oneLine } from "./internal/text.ts"
import { Wait } from "./internal/wait.ts"

const answer = { status: Schema.Int, code: Schema.optionalKey(Schema.String) }

const describe = (answer: { readonly status: number; readonly code?: string }): string =>
  `HTTP ${answer.status}${answer.code === undefined ? "" : ` ${answer.code}`}`

/**
 * The storage does not take the link any more. A new one is made at once; as a final error it means that the storage
 * refused the new one too.
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
 * The link is not followed: its `host` is a name that resolves to an address of this machine or of a private network, where
 * the API is not.
 *
 * @since 0.1.0
 * @category reasons
 */
export class LinkInvalid extends Schema.TaggedError<LinkInvalid>("@live-response/core/TransferError/LinkInvalid")(
  "LinkInvalid",
  { host: Schema.optionalKey(Schema.String) },
) {
  override get message(): string {
    return `the link is not followed, because ${this.host ?? "its host"} resolves to an address of this machine or of a private network; if that is a gateway of yours, set HTTPS_PROXY or use --any-storage-host`
  }
}

/** What the storage's codes mean where another link would fare no better. */
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
 * The storage answered with an error that another link does not cure. The body of that answer is never taken for a result.
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
 * The storage is busy or in trouble: 408, 429 or 5xx. `retryAfter` is what it asked for, if it did.
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
 * Something between this machine and the storage answered in the storage's place, such as the page of a web gateway. It is
 * never taken for a result. `via` is what names itself in the answer's headers, and `title` the title of the page.
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
    return `something between this machine and the storage answered in its place (${details.join(", ")}); allow *.blob.core.windows.net there, or run from another network`
  }
}

/**
 * The connection could not be made, or broke, or the body ended early. `kind` says why no connection could be made, and
 * `waited` how long one was waited for in vain.
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
 * No byte came for longer than the stall time-out, or fewer came than the minimum rate asks for: then `rate` is how many a
 * second, over `timeout`.
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
      return `the download stalled at byte ${this.offset}: only ${Math.round(this.rate)} bytes a second came for ${Duration.format(this.timeout)}`
    }
    return `the download stalled at byte ${this.offset}: nothing came for ${Duration.format(this.timeout)}`
  }
}

/**
 * The result is larger than `DownloadLimits` allow: `length` is what was announced, where it was.
 *
 * @since 0.1.0
 * @category reasons
 */
export class TooLarge extends Schema.TaggedError<TooLarge>("@live-response/core/TransferError/TooLarge")("TooLarge", {
  limit: Schema.Finite,
  length: Schema.optionalKey(Schema.Finite),
}) {
  override get message(): string {
    const what = this.length === undefined ? "it is larger" : `it has ${this.length} bytes, more`
    return `${what} than ${this.limit} bytes, the most that a result may have; nothing was kept, raise the limit (--max-bytes) to download it`
  }
}

/**
 * What came is not what was announced: another length, another range, another hash. Or the `file` that it was written to
 * has another size, so that something else wrote to it.
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
      return `the file has ${this.actual}, written to it were ${this.expected}, so another program writes to it; nothing was kept, run it again when that has finished`
    }
    return `the ${this.what} of what came is ${this.actual}, announced was ${this.expected}; nothing was kept`
  }
}

/**
 * The result changed in storage after some of it had been handed on, so that it can't be continued.
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
 * A result's bytes did not come. `result` names it as `<machineActionId>:<index>`; the link is not in here.
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

  /** Whether it is this machine that has to be set right: the certificates that it trusts, or its proxy. */
  get isLocal(): boolean {
    return this.reason._tag === "Broken" && Connection.isLasting(this.reason.kind)
  }

  /** Whether the same download may go on a little later. */
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
