/**
 * What can go wrong while signing in.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { oneLine } from "./internal/text.ts"

/**
 * There is nothing to sign in with.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Missing extends Schema.TaggedError<Missing>("@live-response/core/CredentialError/Missing")("Missing", {}) {
  override get message(): string {
    return "no credential; set LIVE_RESPONSE_TOKEN, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
  }
}

/**
 * The identity provider refused: wrong secret, unknown app, unknown tenant. `description` is its own first sentence.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Refused extends Schema.TaggedError<Refused>("@live-response/core/CredentialError/Refused")("Refused", {
  description: Schema.String,
}) {
  override get message(): string {
    return `sign-in was refused: ${this.description}`
  }
}

/**
 * The identity provider can't be reached.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("@live-response/core/CredentialError/Unreachable")(
  "Unreachable",
  { description: Schema.String },
) {
  override get message(): string {
    return `the sign-in server can't be reached (${this.description}); check the network, the proxy and AZURE_AUTHORITY_HOST`
  }
}

/**
 * @since 0.1.0
 * @category reasons
 */
export const Reason = Schema.Union([Missing, Refused, Unreachable])

/**
 * @since 0.1.0
 * @category reasons
 */
export type Reason = typeof Reason.Type

/**
 * No token could be had. It fails every target, so it ends a batch.
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
}
