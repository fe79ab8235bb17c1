/**
 * What can go wrong with a store of objects: a container of Azure, a bucket of S3, or a shared directory.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Connection from "./internal/connectionFailure.ts"
import { oneLine } from "./internal/text.ts"
import { Wait } from "./internal/waitSchema.ts"
import { CredentialError } from "./CredentialError.ts"
import { Problem, StoreError } from "./StoreError.ts"

/**
 * There is no answer, or not all of it: the connection can't be opened, or it broke. `kind` says why there is no connection,
 * where that is known. `hasAnswered` says that an answer started, and was not read to its end.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("@live-response/core/ObjectStoreError/Unreachable")(
  "Unreachable",
  {
    description: Schema.String,
    kind: Schema.optionalKey(Connection.Cause),
    hasAnswered: Schema.optionalKey(Schema.Literal(true)),
  },
) {
  override get message(): string {
    if (this.hasAnswered === true) {
      return `its answer did not arrive whole (${this.description}); check the network and the proxy`
    }
    return `it does not answer (${this.description}); check the network, the proxy and the address of the object store`
  }
}

/**
 * The store has too many requests (429, 503), or is in trouble itself (5xx). `retryAfter` is the wait that it asks for.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unavailable extends Schema.TaggedError<Unavailable>("@live-response/core/ObjectStoreError/Unavailable")(
  "Unavailable",
  { status: Schema.Int, code: Schema.optionalKey(Schema.String), retryAfter: Schema.optionalKey(Wait) },
) {
  override get message(): string {
    return `the object store is busy or in trouble (${answerOf(this)}); try again later`
  }
}

/**
 * The store refused the request: wrong credentials, missing rights, no such container or bucket.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Refused extends Schema.TaggedError<Refused>("@live-response/core/ObjectStoreError/Refused")("Refused", {
  status: Schema.Int,
  code: Schema.optionalKey(Schema.String),
  description: Schema.optionalKey(Schema.String),
}) {
  override get message(): string {
    const why = this.description === undefined ? "" : `: ${this.description}`
    return `the object store refused the request (${answerOf(this)}${why}); check its address, the credentials and their rights`
  }
}

/**
 * The store can't be signed in to.
 *
 * @since 0.1.0
 * @category reasons
 */
export class SignIn extends Schema.TaggedError<SignIn>("@live-response/core/ObjectStoreError/SignIn")("SignIn", {
  error: CredentialError,
}) {
  override get message(): string {
    return this.error.message
  }
}

/**
 * An object with this name and other content is there. Nothing was written.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Different extends Schema.TaggedError<Different>("@live-response/core/ObjectStoreError/Different")(
  "Different",
  { expected: Schema.String, found: Schema.String },
) {
  override get message(): string {
    return `an object with other content has this name (${this.found}, not ${this.expected}), and it is not replaced; move it away, or use another prefix`
  }
}

/**
 * What was read for an upload is not the content that was announced. Nothing was stored.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Changed extends Schema.TaggedError<Changed>("@live-response/core/ObjectStoreError/Changed")("Changed", {
  expected: Schema.String,
  found: Schema.String,
}) {
  override get message(): string {
    return `the file changed before it was uploaded (${this.found}, not ${this.expected}), so that nothing was stored; let no other program write to the spool`
  }
}

/**
 * There is no such object.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Missing extends Schema.TaggedError<Missing>("@live-response/core/ObjectStoreError/Missing")(
  "Missing",
  {},
) {
  override get message(): string {
    return "there is no such object"
  }
}

/**
 * What was given is not the name of an object: words of letters, digits, dots, dashes and underscores, with slashes between them.
 *
 * @since 0.1.0
 * @category reasons
 */
export class NotAName extends Schema.TaggedError<NotAName>("@live-response/core/ObjectStoreError/NotAName")(
  "NotAName",
  {},
) {
  override get message(): string {
    return "not the name of an object; use letters, digits, dots, dashes and underscores, with slashes between them"
  }
}

/**
 * An answer that a store of this kind does not give, such as the page of a gateway.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unexpected extends Schema.TaggedError<Unexpected>("@live-response/core/ObjectStoreError/Unexpected")(
  "Unexpected",
  { description: Schema.String },
) {
  override get message(): string {
    return `an unexpected answer (${this.description}); check the address of the object store, and the proxy`
  }
}

/**
 * A file or directory of a shared directory can't be used.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Files extends Schema.TaggedError<Files>("@live-response/core/ObjectStoreError/Files")("Files", {
  problem: Problem,
  detail: Schema.String,
}) {
  override get message(): string {
    return new StoreError({ path: "", problem: this.problem, detail: this.detail }).description
  }
}

/**
 * Any reason of an `ObjectStoreError`.
 *
 * @since 0.1.0
 * @category reasons
 */
export const Reason = Schema.Union([
  Unreachable,
  Unavailable,
  Refused,
  SignIn,
  Different,
  Changed,
  Missing,
  NotAName,
  Unexpected,
  Files,
])

/**
 * @since 0.1.0
 * @category reasons
 */
export type Reason = typeof Reason.Type

/**
 * An operation on an object failed. `object` is the store and the name of the object, without a secret.
 *
 * @since 0.1.0
 * @category errors
 */
export class ObjectStoreError extends Schema.TaggedError<ObjectStoreError>("@live-response/core/ObjectStoreError")(
  "ObjectStoreError",
  { object: Schema.String, reason: Reason },
) {
  override get message(): string {
    return oneLine(`${this.object}: ${this.reason.message}`)
  }

  /** Whether a retry may succeed shortly. */
  get isRetryable(): boolean {
    const { reason } = this
    if (reason._tag === "SignIn") return reason.error.isRetryable
    return reason._tag === "Unavailable" || (reason._tag === "Unreachable" && !Connection.isLasting(reason.kind))
  }

  /** Whether it concerns this object alone, so that others can be stored. */
  get isOfObject(): boolean {
    return ["Different", "Changed", "Missing", "NotAName"].includes(this.reason._tag)
  }
}

const answerOf = ({ code, status }: { readonly status: number; readonly code?: string }): string =>
  code === undefined ? `status ${status}` : `status ${status}, ${code}`
