/**
 * What fails every target of a batch, and so ends it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ResultError } from "./BatchEvent.ts"
import type { CredentialError } from "./CredentialError.ts"
import type { DefenderError } from "./DefenderError.ts"
import type { QuotaStoreError } from "./QuotaStoreError.ts"
import type { StoreError } from "./StoreError.ts"

/**
 * Targets failed one after the other because nothing could be reached: the others would as well.
 *
 * @since 0.1.0
 * @category errors
 */
export class Outage extends Schema.TaggedError<Outage>("@live-response/core/BatchError/Outage")("Outage", {
  failures: Schema.Int,
  last: ResultError,
}) {
  override get message(): string {
    return `${this.last.message}; ${this.failures} in a row failed like this, so the batch stops: run it again when the network is back`
  }
}

/**
 * No sign-in, no permission, no network, no log of the quota, no place to keep results.
 *
 * @since 0.1.0
 * @category errors
 */
export type BatchError = CredentialError | DefenderError | QuotaStoreError | StoreError | Outage

/**
 * Whether it is the network's, the API's or another service's trouble, and not about what was asked for: whoever is left
 * running waits until it is over.
 *
 * @since 0.1.0
 * @category checking
 */
export const isPassing = (error: BatchError): boolean => {
  switch (error._tag) {
    case "Outage":
      return true
    case "DefenderError":
      return error.isPassing
    case "CredentialError":
    case "QuotaStoreError":
      return error.isRetryable
    case "StoreError":
      return false
  }
}
