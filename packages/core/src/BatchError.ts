/**
 * The errors that concern every result of a batch, and so end it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as ApiError from "./ApiError.ts"
import { ResultError } from "./ResultError.ts"
import type { CredentialError } from "./CredentialError.ts"
import type { DefenderError } from "./DefenderError.ts"
import type { QuotaStoreError } from "./QuotaStoreError.ts"
import { Wait } from "./internal/waitSchema.ts"
import type { StoreError } from "./StoreError.ts"
import type { TransferError } from "./TransferError.ts"

/**
 * The network is gone: the batch waited for a connection as long as it may (`waited`), or several results in a row failed
 * without an answer of the API or the storage (`failures`).
 *
 * @since 0.1.0
 * @category errors
 */
export class NetworkDown extends Schema.TaggedError<NetworkDown>("@live-response/core/BatchError/NetworkDown")(
  "NetworkDown",
  {
    failures: Schema.Int,
    last: ResultError,
    waited: Schema.optionalKey(Wait),
  },
) {
  override get message(): string {
    const why =
      this.waited === undefined
        ? `${this.failures} targets in a row failed in this way, so the batch stops`
        : `gave up after ${Duration.format(Duration.seconds(Math.round(Duration.toSeconds(this.waited))))}`
    return `${this.last.message}; ${why}: run it again when the network is back`
  }
}

/**
 * The storage is closed to this network: it refused several new links in a row, and none ever worked. Or several links in a
 * row were not followed because of their hosts.
 *
 * @since 0.1.0
 * @category errors
 */
export class StorageRefused extends Schema.TaggedError<StorageRefused>("@live-response/core/BatchError/StorageRefused")(
  "StorageRefused",
  { links: Schema.Int, last: ResultError },
) {
  override get message(): string {
    const isFollowed = this.last._tag === "TransferError" && this.last.reason._tag !== "LinkInvalid"
    return isFollowed
      ? `${this.last.message}; ${this.links} fresh links in a row were refused, so the batch stops: run it again from a network that the storage account allows`
      : `${this.last.message}; ${this.links} links in a row were like this, so the batch stops`
  }
}

/**
 * Any error that ends a batch.
 *
 * @since 0.1.0
 * @category errors
 */
export type BatchError =
  | CredentialError
  | DefenderError
  | QuotaStoreError
  | StoreError
  | TransferError
  | NetworkDown
  | StorageRefused

/**
 * Whether the error is about the network or a service in trouble, and not about what was asked for. A program that keeps
 * running starts the batch again later.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isTransient = (error: BatchError): boolean => {
  switch (error._tag) {
    case "NetworkDown":
      return true
    case "DefenderError":
    case "CredentialError":
    case "QuotaStoreError":
      return ApiError.isTransient(error)
    case "TransferError":
      return error.isRetryable
    case "StoreError":
    case "StorageRefused":
      return false
  }
}
