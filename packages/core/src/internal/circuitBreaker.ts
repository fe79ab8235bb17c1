/** When the errors of a batch's targets are no longer theirs alone. */
import { Outage, StorageRefused } from "../BatchError.ts"
import type { ResultError } from "../BatchEvent.ts"
import { DefenderError } from "../DefenderError.ts"
import type { TransferError } from "../TransferError.ts"
import { BatchTargets } from "./batchTargets.ts"

/** So many targets without an answer, one after the other, are not an accident of any of them. */
const outageAfter = 10

/**
 * Where the API let a call in before, one that it forbids is that of a machine which this user may not see. So many of
 * them, one after the other, are a permission that was taken away.
 */
const deniedAfter = 8

/** The same of a token that was renewed and refused all the same. One may be about its own target. */
const unauthorizedAfter = 2

/** So many fresh links, one after the other, that a storage refuses which never took one: it is closed to this network. */
const refusedAfter = 5

/** Whether every other target would fail with this as well, whatever was before. */
const endsAnyBatch = (error: ResultError): boolean => {
  switch (error._tag) {
    case "CredentialError":
    case "QuotaStoreError":
      return true
    case "StoreError":
      return error.ofResult !== true
    case "DefenderError":
      return error.isLocal || isUnknownName(error)
    case "TransferError":
      return error.isLocal
    case "DefectError":
      return false
  }
}

/** The API was never reached by this name. Once it was, a name that is not known is a network that is gone. */
const isUnknownName = ({ reason }: DefenderError): boolean =>
  reason._tag === "Unreachable" && reason.kind === "name" && reason.waited === undefined

/** Whether there was no answer at all: of the API, or no connection to the storage. */
const isWithoutAnswer = ({ reason }: DefenderError | TransferError): boolean =>
  reason._tag === "Unreachable" || (reason._tag === "Broken" && reason.kind !== undefined)

const afterWaiting = (last: DefenderError | TransferError): Outage | undefined => {
  const { reason } = last
  const waited = reason._tag === "Unreachable" || reason._tag === "Broken" ? reason.waited : undefined
  return waited === undefined ? undefined : new Outage({ failures: 1, last, waited })
}

/** The end of a batch that has waited for the API in vain. */
export const gaveUp = (error: unknown): Outage | undefined =>
  error instanceof DefenderError ? afterWaiting(error) : undefined

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

/** The same trouble of targets one after the other. Those that were in progress at the first of them may fare better. */
interface Streak {
  count: number
  readonly peers: ReadonlySet<string>
}

/** What one batch has learned. */
export const make = () => {
  const targets = new BatchTargets()
  const known = { isPermitted: false, denials: { Forbidden: 0, Unauthorized: 0 } }
  const streaks: { refused: Streak | undefined; silent: Streak | undefined } = { refused: undefined, silent: undefined }

  /** Adds to a streak. Gives its length, once the targets that were in progress at its start have had their turn. */
  const extend = (of: "refused" | "silent", by: number): number => {
    const streak = (streaks[of] ??= { count: 0, peers: targets.inProgress })
    streak.count += by
    return Array.from(streak.peers).some((result) => targets.isInProgress(result)) ? 0 : streak.count
  }

  const endStreaks = (): void => {
    streaks.refused = undefined
    streaks.silent = undefined
  }

  const refused = (error: DefenderError | TransferError): StorageRefused | undefined => {
    const links = uselessLinks(error)
    if (links === 0) {
      streaks.refused = undefined
      return undefined
    }
    const inAll = extend("refused", links)
    return !targets.hasBytes && inAll >= refusedAfter ? new StorageRefused({ links: inAll, last: error }) : undefined
  }

  const silent = (error: DefenderError | TransferError): Outage | undefined => {
    const failures = extend("silent", 1)
    return failures >= outageAfter ? new Outage({ failures, last: error }) : undefined
  }

  /** What the error of one target means for the others. */
  const learn = (error: DefenderError | TransferError): Outage | StorageRefused | undefined => {
    if (error._tag === "TransferError" || error.reason._tag === "LinkNotFollowed") {
      const closed = refused(error)
      if (closed !== undefined) return closed
    }
    if (error._tag === "DefenderError") targets.isApiGone = error.reason._tag === "Unreachable"
    const outage = afterWaiting(error)
    // What the wait for a storage means was said when it ended.
    if (outage !== undefined) return error._tag === "DefenderError" ? outage : undefined
    // A gateway that lets no byte of any result through is as good as no network.
    const isClosed = error.reason._tag === "NotFromStorage" && !targets.hasBytes
    if (isClosed || isWithoutAnswer(error)) return silent(error)
    streaks.silent = undefined
    return undefined
  }

  return {
    targets,

    /** The API let a call in. */
    permitted: (): void => {
      known.isPermitted = true
      known.denials = { Forbidden: 0, Unauthorized: 0 }
      targets.isApiGone = false
    },

    /** Bytes of a result came. */
    received: (): void => {
      targets.received()
      endStreaks()
    },

    /** Whether the batch ends with an error of one target. Each error is asked about once. */
    isEndedBy: (error: ResultError): boolean => {
      const tag = error._tag === "DefenderError" ? error.reason._tag : undefined
      if (tag !== "Forbidden" && tag !== "Unauthorized") return endsAnyBatch(error)
      known.denials[tag]++
      return !known.isPermitted || known.denials[tag] >= (tag === "Forbidden" ? deniedAfter : unauthorizedAfter)
    },

    /** A target has failed, maybe after a wait in vain: the end of the batch, where that is one for all. */
    gaveUp: (error: ResultError): Outage | undefined => {
      if (error._tag === "DefenderError") return afterWaiting(error)
      if (error._tag !== "TransferError") return undefined
      const outage = afterWaiting(error)
      const meaning = outage === undefined ? "alone" : targets.waitedInVain(error.result)
      return meaning === "for all" ? outage : meaning === "doubtful" ? silent(error) : undefined
    },

    /** A target has finished, with or without an error: what ends the batch, if there is anything that does. */
    outage: (error: ResultError | undefined): Outage | StorageRefused | undefined => {
      if (error?._tag === "DefenderError" || error?._tag === "TransferError") return learn(error)
      if (error === undefined) targets.received()
      endStreaks()
      return undefined
    },
  }
}

export type CircuitBreaker = ReturnType<typeof make>
