/** When the errors of a batch's targets are no longer theirs alone. */
import { type BatchError, Outage } from "../BatchError.ts"
import type { ResultError } from "../BatchEvent.ts"

/** So many targets without a connection, one after the other, are no accident of any of them. */
const outageAfter = 10

/**
 * Where the API let a call in before, one that it forbids is that of a machine which this user may not see. So many of
 * them, one after the other, are a permission that was taken away.
 */
const deniedAfter = 8

type Ending = Exclude<BatchError, Outage>

/** Whether every other target would fail with this as well, whatever was before. */
const endsAnyBatch = (error: ResultError): error is Ending => {
  switch (error._tag) {
    case "CredentialError":
    case "QuotaStoreError":
    case "StoreError":
      return true
    case "DefenderError":
      return error.reason._tag === "Unauthorized"
    case "TransferError":
      return false
  }
}

/** Whether there was no connection at all: to the API, or to the storage before its first byte. */
const isConnectionFailure = (error: ResultError): boolean =>
  error._tag === "DefenderError"
    ? error.reason._tag === "Unreachable"
    : error._tag === "TransferError" && error.reason._tag === "Broken" && error.reason.offset === 0

/** What one batch has learned. */
export const make = () => {
  let isPermitted = false
  let denials = 0
  let connectionFailures = 0
  return {
    /** The API let a call in. */
    permitted: (): void => {
      isPermitted = true
      denials = 0
    },

    /** Whether the batch ends with an error of one target. Each error is asked about once. */
    isEndedBy: (error: ResultError): error is Ending => {
      if (error._tag !== "DefenderError" || error.reason._tag !== "Forbidden") return endsAnyBatch(error)
      denials++
      return !isPermitted || denials >= deniedAfter
    },

    /** A target came to its end, with or without an error: what ends the batch, if there have been too many of them. */
    outage: (error: ResultError | undefined): Outage | undefined => {
      if (error === undefined || !isConnectionFailure(error)) {
        connectionFailures = 0
        return undefined
      }
      connectionFailures++
      return connectionFailures >= outageAfter ? new Outage({ failures: connectionFailures, last: error }) : undefined
    },
  }
}

export type BatchEnd = ReturnType<typeof make>
