/**
 * The errors of signing in.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Connection from "./internal/connectionFailure.ts"
import * as EntraErrors from "./internal/entraErrors.ts"
import { foreignText } from "./internal/foreignText.ts"
import { oneLine } from "./internal/text.ts"

/**
 * There is no credential to sign in with. `description` says what is missing, where one way to sign in was chosen.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Missing extends Schema.TaggedError<Missing>("@live-response/core/CredentialError/Missing")("Missing", {
  description: Schema.optionalKey(Schema.String),
}) {
  override get message(): string {
    return `no credential; ${this.description ?? "set LIVE_RESPONSE_TOKEN, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or sign in with az login"}`
  }
}

/**
 * Entra refused the sign-in: a wrong secret, an unknown app, an unknown tenant.
 *
 * **Details**
 *
 * `error` is the error of OAuth, `code` is Entra's number (AADSTS), and `description` is Entra's first sentence.
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes
 * @since 0.1.0
 * @category reasons
 */
export class Refused extends Schema.TaggedError<Refused>("@live-response/core/CredentialError/Refused")("Refused", {
  error: Schema.String,
  description: Schema.String,
  code: Schema.optionalKey(Schema.Int),
  correlationId: Schema.optionalKey(Schema.String),
}) {
  override get message(): string {
    const id = this.correlationId === undefined ? "" : ` (correlation id ${this.correlationId})`
    const sentence = this.description.replace(/\.$/, "")
    return `sign-in was refused: ${sentence}; ${EntraErrors.nextStep(this.error, this.code)}${id}`
  }
}

/**
 * There is a token, but it can't be sent or read.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unusable extends Schema.TaggedError<Unusable>("@live-response/core/CredentialError/Unusable")("Unusable", {
  description: Schema.String,
}) {
  override get message(): string {
    return `the token can't be used: ${this.description}`
  }
}

/**
 * The sign-in server can't be reached, or is in trouble itself. `kind` says why there is no connection, where that is
 * known. `hasAnswered` says that an answer started, and was not read to its end.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("@live-response/core/CredentialError/Unreachable")(
  "Unreachable",
  {
    description: Schema.String,
    kind: Schema.optionalKey(Connection.Cause),
    hasAnswered: Schema.optionalKey(Schema.Literal(true)),
  },
) {
  override get message(): string {
    if (this.hasAnswered === true) {
      return `the sign-in server's answer did not arrive whole (${this.description}); check the network and the proxy`
    }
    const next =
      this.kind !== undefined && Connection.isLasting(this.kind)
        ? Connection.nextStep(this.kind)
        : "check the network, the proxy and AZURE_AUTHORITY_HOST"
    return `the sign-in server can't be reached (${this.description}); ${next}`
  }
}

/**
 * Any reason of a `CredentialError`.
 *
 * @since 0.1.0
 * @category reasons
 */
export const Reason = Schema.Union([Missing, Refused, Unusable, Unreachable])

/**
 * @since 0.1.0
 * @category reasons
 */
export type Reason = typeof Reason.Type

/**
 * No token could be obtained. Every target of a batch needs one, so that this error ends a batch.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialError extends Schema.TaggedError<CredentialError>("@live-response/core/CredentialError")(
  "CredentialError",
  { reason: Reason },
) {
  override get message(): string {
    return oneLine(this.reason.message)
  }

  /** Whether this machine must be corrected: the certificates that it trusts, or its proxy. */
  get isLocal(): boolean {
    return this.reason._tag === "Unreachable" && Connection.isLasting(this.reason.kind)
  }

  /** Whether the sign-in may succeed shortly. */
  get isRetryable(): boolean {
    return this.reason._tag === "Unreachable" && !this.isLocal
  }
}

/**
 * Creates the error for an answer of Entra, from the error of OAuth and Entra's description.
 *
 * **Details**
 *
 * Code, first sentence and correlation id are taken from the description. `temporarily_unavailable` and `server_error` say
 * that Entra is in trouble, so that their reason is `Unreachable`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromEntra = (answer: {
  readonly error: string
  readonly description?: string | undefined
  readonly correlationId?: string | undefined
  /** What was sent and the answer may repeat. It is removed from every text. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted<string>> | undefined
}): CredentialError => {
  const clean = (text: string) => foreignText(text, answer.secrets)
  const text = answer.description ?? answer.error
  const description = clean(EntraErrors.firstSentence(text))
  if (EntraErrors.isTrouble(answer.error)) return new CredentialError({ reason: new Unreachable({ description }) })
  const code = Option.getOrUndefined(EntraErrors.codeOf(text))
  const correlationId = answer.correlationId ?? Option.getOrUndefined(EntraErrors.correlationIdOf(text))
  return new CredentialError({
    reason: new Refused({
      error: clean(answer.error),
      description,
      ...(code === undefined ? {} : { code }),
      ...(correlationId === undefined ? {} : { correlationId: clean(correlationId) }),
    }),
  })
}
