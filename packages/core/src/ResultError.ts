/**
 * The errors that one result of a batch can fail with.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { CredentialError } from "./CredentialError.ts"
import { DefectError } from "./DefectError.ts"
import { DefenderError } from "./DefenderError.ts"
import { QuotaStoreError } from "./QuotaStoreError.ts"
import { StoreError } from "./StoreError.ts"
import { TransferError } from "./TransferError.ts"

/**
 * Any error that a result can fail with.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ResultError = Schema.Union([
  DefenderError,
  TransferError,
  StoreError,
  CredentialError,
  QuotaStoreError,
  DefectError,
])

/**
 * @since 0.1.0
 * @category models
 */
export type ResultError = typeof ResultError.Type
