/**
 * The errors of calls to the Defender for Endpoint API.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Connection from "./internal/connectionFailure.ts"
import { oneLine } from "./internal/text.ts"
import { Wait } from "./internal/waitSchema.ts"
import { MachineActionId } from "./MachineAction.ts"
import * as Permission from "./Permission.ts"

/** What the API says about an error: its code, its sentence, and the correlation id that Microsoft's support asks for. */
const answer = {
  status: Schema.Int,
  code: Schema.optionalKey(Schema.String),
  detail: Schema.optionalKey(Schema.String),
  correlationId: Schema.optionalKey(Schema.String),
}

interface Answer {
  readonly status: number
  readonly code?: string
  readonly detail?: string
  readonly correlationId?: string
}

const describe = (answer: Answer): string =>
  [
    `HTTP ${answer.status}`,
    answer.code === undefined ? "" : ` ${answer.code}`,
    answer.detail === undefined ? "" : `: ${answer.detail}`,
    answer.correlationId === undefined ? "" : ` (correlation id ${answer.correlationId})`,
  ].join("")

/**
 * The API does not accept the token, nor a renewed one (401).
 *
 * **Details**
 *
 * `challenge` is set where the API asks for a token with other claims, as conditional access does, and this credential
 * could not get one.
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/claims-challenge
 * @since 0.1.0
 * @category reasons
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>("@live-response/core/DefenderError/Unauthorized")(
  "Unauthorized",
  { ...answer, challenge: Schema.optionalKey(Schema.Literal("insufficient_claims")) },
) {
  override get message(): string {
    if (this.challenge !== undefined) {
      return `the API refused the token (${describe(this)}): conditional access asks for another sign-in; sign in again, with az login or --auth device-code`
    }
    return `the API refused the token (${describe(this)}); sign in again, and check that the token is for this API and tenant`
  }
}

/**
 * The token is valid, but the app or user may not make the call (403).
 *
 * **Details**
 *
 * `permission` names the permission of the call. `isHeld` says that the token has it, so that something else is missing.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Forbidden extends Schema.TaggedError<Forbidden>("@live-response/core/DefenderError/Forbidden")(
  "Forbidden",
  { ...answer, permission: Schema.optionalKey(Schema.String), isHeld: Schema.optionalKey(Schema.Literal(true)) },
) {
  override get message(): string {
    const permission = this.permission ?? Permission.describe(Permission.results)
    if (this.isHeld === true) {
      return `the API refused the call (${describe(this)}) although the token has ${permission}; check the role and the device groups in the Microsoft Defender portal, and that the feature is turned on`
    }
    return `permission is missing (${describe(this)}); the call needs ${permission}`
  }
}

/**
 * The machine, the machine action or the result at this index does not exist (404). `advice` is the next step.
 *
 * @since 0.1.0
 * @category reasons
 */
export class NotFound extends Schema.TaggedError<NotFound>("@live-response/core/DefenderError/NotFound")("NotFound", {
  ...answer,
  advice: Schema.optionalKey(Schema.String),
}) {
  override get message(): string {
    const advice = this.advice ?? "check the id and the index, and that the action has finished"
    return `not found (${describe(this)}); ${advice}`
  }
}

/**
 * The API refused the request, and would refuse it again (another 4xx).
 *
 * @since 0.1.0
 * @category reasons
 */
export class Refused extends Schema.TaggedError<Refused>("@live-response/core/DefenderError/Refused")(
  "Refused",
  answer,
) {
  override get message(): string {
    return `the API refused the request (${describe(this)})`
  }
}

/**
 * Another session is in progress on the machine. `machineActionId` is its action, where the API names it.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
 * @since 0.1.0
 * @category reasons
 */
export class ActiveRequestAlreadyExists extends Schema.TaggedError<ActiveRequestAlreadyExists>(
  "@live-response/core/DefenderError/ActiveRequestAlreadyExists",
)("ActiveRequestAlreadyExists", { ...answer, machineActionId: Schema.optionalKey(MachineActionId) }) {
  override get message(): string {
    const which = this.machineActionId === undefined ? describe(this) : `machine action ${this.machineActionId}`
    return `another session is in progress on the machine (${which}); wait until it has finished, or cancel it`
  }
}

/**
 * The API throttled the call, still after all retries (429). `retryAfter` is the wait that it asked for, if it did.
 *
 * @since 0.1.0
 * @category reasons
 */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>(
  "@live-response/core/DefenderError/TooManyRequests",
)("TooManyRequests", { ...answer, retryAfter: Schema.optionalKey(Wait) }) {
  override get message(): string {
    const hint = this.retryAfter === undefined ? "" : `, again in ${Duration.format(this.retryAfter)}`
    return `too many requests${hint} (${describe(this)}); check what else uses this app's quota`
  }
}

/**
 * The API is in trouble, still after all retries (408 or 5xx). `retryAfter` is the wait that it asked for, if it did.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unavailable extends Schema.TaggedError<Unavailable>("@live-response/core/DefenderError/Unavailable")(
  "Unavailable",
  { ...answer, retryAfter: Schema.optionalKey(Wait) },
) {
  override get message(): string {
    return `the API is unavailable (${describe(this)}); try again later`
  }
}

/**
 * The API gave no answer, or not all of it: name resolution, connection, TLS, or a time-out.
 *
 * **Details**
 *
 * `kind` says why no connection could be opened, so that the request was not sent. Without it the connection broke or no
 * answer came, and the API may have handled the request. `hasAnswered` says that an answer started, and was not read to its end.
 * `waited` is how long the call waited for a connection.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("@live-response/core/DefenderError/Unreachable")(
  "Unreachable",
  {
    description: Schema.String,
    kind: Schema.optionalKey(Connection.Cause),
    hasAnswered: Schema.optionalKey(Schema.Literal(true)),
    waited: Schema.optionalKey(Wait),
  },
) {
  override get message(): string {
    if (this.hasAnswered === true) {
      return `the API's answer did not arrive whole (${this.description}); check the network and the proxy`
    }
    return `the API can't be reached (${this.description}); ${Connection.nextStep(this.kind ?? "connection")}`
  }
}

/**
 * The answer is not one that the API gives: it has an unknown status, or a body of another shape.
 *
 * @since 0.1.0
 * @category reasons
 */
export class UnexpectedAnswer extends Schema.TaggedError<UnexpectedAnswer>(
  "@live-response/core/DefenderError/UnexpectedAnswer",
)("UnexpectedAnswer", {
  description: Schema.String,
  /** The API reported success, but the content of its answer can't be used. Set for calls that must not be repeated. */
  hasSucceeded: Schema.optionalKey(Schema.Literal(true)),
}) {
  override get message(): string {
    return `unexpected answer (${this.description}); is the endpoint the Defender API?`
  }
}

/**
 * The pages of a list lead back to earlier ones, so that the list would never end. Everything before that was emitted.
 *
 * @since 0.1.0
 * @category reasons
 */
export class EndlessList extends Schema.TaggedError<EndlessList>("@live-response/core/DefenderError/EndlessList")(
  "EndlessList",
  { pages: Schema.Int },
) {
  override get message(): string {
    return `page ${this.pages} has nothing new and still links to a next page; entries may be missing: narrow the list, for example to a shorter time`
  }
}

/**
 * The API gave a link that is not followed, because of its `host`.
 *
 * **Details**
 *
 * `problem` is `insecure` where the link is not https, `private` where it leads to this machine or a private network and
 * the API is not there, and `unknown` where its host is not a known storage host.
 *
 * @since 0.1.0
 * @category reasons
 */
export class LinkNotFollowed extends Schema.TaggedError<LinkNotFollowed>(
  "@live-response/core/DefenderError/LinkNotFollowed",
)("LinkNotFollowed", {
  problem: Schema.Literals(["insecure", "private", "unknown"]),
  host: Schema.optionalKey(Schema.String),
}) {
  override get message(): string {
    const link = `the API gave a link${this.host === undefined ? "" : ` to ${this.host}`}`
    switch (this.problem) {
      case "insecure":
        return `${link} that is not https, and it is not followed; is the endpoint the Defender API?`
      case "private":
        return `${link}, which is on this machine or a private network although the API is not; it was not followed; is the endpoint the Defender API?`
      case "unknown":
        return `${link}, which is not a known storage host, and it is not followed; if the host is right, set LIVE_RESPONSE_STORAGE_HOSTS=${this.host ?? "HOST"} or use --any-storage-host`
    }
  }
}

/**
 * The program asked `DefenderApi.execute` for an address on another server, which must not get the token. Nothing was sent.
 *
 * @since 0.1.0
 * @category reasons
 */
export class OtherServer extends Schema.TaggedError<OtherServer>("@live-response/core/DefenderError/OtherServer")(
  "OtherServer",
  { host: Schema.String },
) {
  override get message(): string {
    return `the request is for ${this.host}, which is not the API, and the token goes only to the API; use a path such as /api/alerts`
  }
}

/**
 * A file is larger than the library accepts through the API: `limit`, in bytes. Nothing was sent.
 *
 * @see `LibraryFile.largest`
 * @since 0.1.0
 * @category reasons
 */
export class TooLarge extends Schema.TaggedError<TooLarge>("@live-response/core/DefenderError/TooLarge")("TooLarge", {
  limit: Schema.Int,
}) {
  override get message(): string {
    return `the file is larger than ${this.limit / 1024 / 1024} MB, the most that the library accepts through the API; upload it in the Microsoft Defender portal`
  }
}

/**
 * A file of the library can't have this name: `fileName`. In the address of a call it would stand for another resource. Nothing was
 * sent.
 *
 * @since 0.1.0
 * @category reasons
 */
export class InvalidFileName extends Schema.TaggedError<InvalidFileName>(
  "@live-response/core/DefenderError/InvalidFileName",
)("InvalidFileName", { fileName: Schema.String }) {
  override get message(): string {
    return `a file of the library can't have the name "${this.fileName}"; use another name`
  }
}

/**
 * The arguments of a script have characters that the service refuses: `characters`. Nothing was sent.
 *
 * @see `ScriptArguments.refusedCharacters`
 * @since 0.1.0
 * @category reasons
 */
export class InvalidArguments extends Schema.TaggedError<InvalidArguments>(
  "@live-response/core/DefenderError/InvalidArguments",
)("InvalidArguments", { characters: Schema.Array(Schema.String) }) {
  override get message(): string {
    return `the script's arguments have ${this.characters.join(" ")}, which live response refuses; leave them out, or put them into the script`
  }
}

/**
 * Every reason that a call fails for.
 *
 * @since 0.1.0
 * @category reasons
 */
export const Reason = Schema.Union([
  Unauthorized,
  Forbidden,
  NotFound,
  Refused,
  ActiveRequestAlreadyExists,
  TooManyRequests,
  Unavailable,
  Unreachable,
  UnexpectedAnswer,
  LinkNotFollowed,
  EndlessList,
  OtherServer,
  TooLarge,
  InvalidFileName,
  InvalidArguments,
])

/**
 * Any reason that a call fails for.
 *
 * @since 0.1.0
 * @category reasons
 */
export type Reason = typeof Reason.Type

/**
 * A call to the Defender API failed.
 *
 * **Details**
 *
 * `operation` names the call, and `reason` says why it failed: catch one reason with `Effect.catchReason`. Nothing in the
 * error is a secret, so that it may be logged and encoded.
 *
 * @example
 * ```ts
 * import * as DefenderError from "@live-response/core/DefenderError"
 * import * as Effect from "effect/Effect"
 *
 * const call = Effect.fail(
 *   new DefenderError.DefenderError({
 *     operation: "link of 988cc94e-7a8f-4b28-ab65-54970c5d5018:7",
 *     reason: new DefenderError.NotFound({ status: 404, code: "ResourceNotFound" }),
 *   }),
 * )
 *
 * const handled = call.pipe(Effect.catchReason("DefenderError", "NotFound", () => Effect.succeed("no such result")))
 * console.log(Effect.runSync(handled)) // no such result
 * ```
 *
 * @since 0.1.0
 * @category errors
 */
export class DefenderError extends Schema.TaggedError<DefenderError>("@live-response/core/DefenderError")(
  "DefenderError",
  { operation: Schema.String, reason: Reason },
) {
  override get message(): string {
    return oneLine(`${this.operation}: ${this.reason.message}`)
  }

  /** Whether the error is about the app or user that is signed in, so that its other calls would fail as well. */
  get isDenied(): boolean {
    return this.reason._tag === "Unauthorized" || this.reason._tag === "Forbidden"
  }

  /** Whether this machine must be corrected: the certificates that it trusts, or its proxy. */
  get isLocal(): boolean {
    return this.reason._tag === "Unreachable" && Connection.isLasting(this.reason.kind)
  }

  /** Whether the error says nothing about what was asked for, as a gateway's page does not: the call may succeed another day. */
  get isTransient(): boolean {
    switch (this.reason._tag) {
      case "TooManyRequests":
      case "UnexpectedAnswer":
      case "EndlessList":
        return true
      default:
        return this.isRetryable
    }
  }

  /** Whether the same call may succeed shortly. */
  get isRetryable(): boolean {
    switch (this.reason._tag) {
      case "Unavailable":
        return true
      case "Unreachable":
        return !this.isLocal
      default:
        return false
    }
  }
}
