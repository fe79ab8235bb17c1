/** When the errors of a batch's targets are no longer theirs alone. */
import { Outage, StorageRefused } from "../BatchError.ts"
import type { ResultError } from "../ResultError.ts"
import { DefenderError } from "../DefenderError.ts"
import { TransferError } from "../TransferError.ts"

/** So many targets without an answer, one after the other, are not an accident of any of them. */
const outageAfter = 10

/**
 * Where the API let a call in before, one that it forbids is that of a machine which this user may not see. So many of
 * them, one after the other, are a permission that was taken away.
 */
const deniedAfter = 8

/** So many fresh links, one after the other, that a storage refuses which never took one: it is closed to this network. */
const refusedAfter = 5

/** Whether every other target would fail with this as well, whatever was before. */
const endsAnyBatch = (error: ResultError): boolean => {
  switch (error._tag) {
    case "CredentialError":
    case "QuotaStoreError":
    case "StoreError":
      return true
    case "DefenderError":
      return error.reason._tag === "Unauthorized" || error.isLocal || isUnknownName(error)
    case "TransferError":
      return error.isLocal
    case "DefectError":
      return false
  }
}

/** The API was never reached by this name. Once it was, a name that is not known is a network that is gone. */
const isUnknownName = ({ reason }: DefenderError): boolean =>
  reason._tag === "Unreachable" && reason.kind === "name" && reason.waited === undefined

/** Whether there was no answer at all: of the API, or of the storage before its first byte. */
const isWithoutAnswer = ({ reason }: DefenderError | TransferError): boolean =>
  reason._tag === "Unreachable" ||
  reason._tag === "NotFromStorage" ||
  (reason._tag === "Broken" && (reason.offset === 0 || reason.kind !== undefined))

/** The end of a batch that has waited for a connection in vain. */
export const gaveUp = (error: unknown): Outage | undefined => {
  if (!(error instanceof DefenderError) && !(error instanceof TransferError)) return undefined
  const { reason } = error
  const waited = reason._tag === "Unreachable" || reason._tag === "Broken" ? reason.waited : undefined
  return waited === undefined ? undefined : new Outage({ failures: 1, last: error, waited })
}

/** How many fresh links of one target were of no use. One is renewed once, where that may help. */
const uselessLinks = ({ reason }: DefenderError | TransferError): number => {
  switch (reason._tag) {
    case "LinkRefused":
      return 2
    case "LinkInvalid":
    case "LinkNotFollowed":
      return 1
    case "Refused":
      return reason.status === 403 ? 1 : 0
    default:
      return 0
  }
}

/** What one batch has learned. */
export const make = () => {
  const known = { isPermitted: false, hasSucceeded: false, denials: 0, withoutAnswer: 0, refused: 0 }

  /** What the error of one target means for the others. */
  const learn = (error: DefenderError | TransferError): Outage | StorageRefused | undefined => {
    if (error._tag === "TransferError" || error.reason._tag === "LinkNotFollowed") {
      const links = uselessLinks(error)
      known.refused = links === 0 ? 0 : known.refused + links
      if (!known.hasSucceeded && known.refused >= refusedAfter) {
        return new StorageRefused({ links: known.refused, last: error })
      }
    }
    known.withoutAnswer = isWithoutAnswer(error) ? known.withoutAnswer + 1 : 0
    const failures = known.withoutAnswer
    return gaveUp(error) ?? (failures >= outageAfter ? new Outage({ failures, last: error }) : undefined)
  }

  return {
    /** The API let a call in. */
    permitted: (): void => {
      known.isPermitted = true
      known.denials = 0
    },

    /** Whether the batch ends with an error of one target. Each error is asked about once. */
    isEndedBy: (error: ResultError): boolean => {
      if (error._tag !== "DefenderError" || error.reason._tag !== "Forbidden") return endsAnyBatch(error)
      known.denials++
      return !known.isPermitted || known.denials >= deniedAfter
    },

    /** A target has finished, with or without an error: what ends the batch, if there is anything that does. */
    outage: (error: ResultError | undefined): Outage | StorageRefused | undefined => {
      if (error?._tag === "DefenderError" || error?._tag === "TransferError") return learn(error)
      known.hasSucceeded = known.hasSucceeded || error === undefined
      known.withoutAnswer = 0
      known.refused = 0
      return undefined
    },
  }
}

export type CircuitBreaker = ReturnType<typeof make>
