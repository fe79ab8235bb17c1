/**
 * What any call of the Defender API can fail with.
 *
 * @since 0.1.0
 */
import type { CredentialError } from "./CredentialError.ts"
import type { DefenderError } from "./DefenderError.ts"
import type { QuotaStoreError } from "./QuotaStoreError.ts"

/**
 * A call failed: the sign-in gave no token, the log of the quota could not be read or written, or the API refused the call
 * or can't be reached.
 *
 * @since 0.1.0
 * @category errors
 */
export type ApiError = DefenderError | CredentialError | QuotaStoreError

/**
 * Whether the error is about the network or a service in trouble, and not about what was asked for. A program that keeps
 * running asks again later.
 *
 * @see `DefenderError.isRetryable` for whether the same call may succeed shortly
 * @since 0.1.0
 * @category predicates
 */
export const isTransient = (error: ApiError): boolean =>
  error._tag === "DefenderError" ? error.isTransient : error.isRetryable
