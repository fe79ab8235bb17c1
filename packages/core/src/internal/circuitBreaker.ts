/** Decides when the errors of a batch's targets end the batch, because every other target would fail as well. */
import { Outage, StorageRefused } from "../BatchError.ts"
import type { DefectError } from "../DefectError.ts"
import { DefenderError } from "../DefenderError.ts"
import type { ResultError } from "../ResultError.ts"
import type { TransferError } from "../TransferError.ts"
import { BatchTargets } from "./batchTargets.ts"

/** This many targets in a row without an answer are an outage, not an accident of each of them. */
const outageAfter = 10

/**
 * How many refusals in a row by the API mean that access was taken away. Before, one 403 may concern a machine that the
 * user may not see, and one 401 may concern its own target.
 */
const deniedAfter = { Forbidden: 8, Unauthorized: 2 }

/** This many useless links in a row mean that the storage is closed to this network, if none ever worked. */
const refusedAfter = 5

/** The typed errors of a target, any of which may end the batch. */
type TargetError = Exclude<ResultError, DefectError>

/** Whether the error concerns every target, whatever happened before. */
const concernsAll = (error: TargetError): boolean => {
  switch (error._tag) {
    case "CredentialError":
    case "QuotaStoreError":
    case "StoreError":
      return true
    case "DefenderError":
      return error.isLocal || isUnknownName(error)
    case "TransferError":
      return error.isLocal
  }
}

/** The API was never reached by this name. If it was reached before, an unknown name is a network that is gone. */
const isUnknownName = ({ reason }: DefenderError): boolean =>
  reason._tag === "Unreachable" && reason.kind === "name" && reason.waited === undefined

/** Whether there was no answer of the API, or no connection to the storage. */
const isWithoutAnswer = ({ reason }: DefenderError | TransferError): boolean =>
  reason._tag === "Unreachable" || (reason._tag === "Broken" && reason.kind !== undefined)

/** The outage that an error reports, if its call waited for a connection as long as the batch allows. */
const outageOf = (last: DefenderError | TransferError): Outage | undefined => {
  const { reason } = last
  const waited = reason._tag === "Unreachable" || reason._tag === "Broken" ? reason.waited : undefined
  return waited === undefined ? undefined : new Outage({ failures: 1, last, waited })
}

/** The outage of the API that an error reports, if it is one. */
export const gaveUp = (error: unknown): Outage | undefined =>
  error instanceof DefenderError ? outageOf(error) : undefined

/** How many links of one target were useless. A link that may be renewed was renewed once. */
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

/** The same error of several targets in a row. Targets that were in progress at the first of them may still succeed. */
interface Streak {
  count: number
  readonly peers: ReadonlySet<string>
}

/** What one batch has learned from its targets. */
export class CircuitBreaker {
  readonly targets = new BatchTargets()
  private isPermitted = false
  private denials = { Forbidden: 0, Unauthorized: 0 }
  private readonly streaks: { refused: Streak | undefined; unanswered: Streak | undefined } = {
    refused: undefined,
    unanswered: undefined,
  }

  /** The API permitted a call. */
  permitted(): void {
    this.isPermitted = true
    this.denials = { Forbidden: 0, Unauthorized: 0 }
    this.targets.isApiGone = false
  }

  /** Bytes of a result arrived. */
  received(): void {
    this.targets.received()
    this.resetStreaks()
  }

  /** Whether the error of one target ends the batch. Call it once for each error. */
  readonly isEndedBy = (error: TargetError): boolean => {
    const tag = error._tag === "DefenderError" ? error.reason._tag : undefined
    if (tag !== "Forbidden" && tag !== "Unauthorized") return concernsAll(error)
    this.denials[tag]++
    return !this.isPermitted || this.denials[tag] >= deniedAfter[tag]
  }

  /** The outage that ends the batch, if that is what the error of one target means after its wait for a connection. */
  gaveUp(error: TargetError): Outage | undefined {
    if (error._tag === "DefenderError") return outageOf(error)
    if (error._tag !== "TransferError") return undefined
    const outage = outageOf(error)
    if (outage === undefined) return undefined
    switch (this.targets.gaveUp(error.result)) {
      case "all targets":
        return outage
      case "uncertain":
        return this.unanswered(error)
      case "this target":
        return undefined
    }
  }

  /** A target has finished, with or without an error. The error that ends the batch, if that means one. */
  outage(error: ResultError | undefined): Outage | StorageRefused | undefined {
    if (error?._tag === "DefenderError" || error?._tag === "TransferError") return this.learn(error)
    if (error === undefined) this.targets.received()
    this.resetStreaks()
    return undefined
  }

  /** What the error of a finished target means for the others. */
  private learn(error: DefenderError | TransferError): Outage | StorageRefused | undefined {
    if (error._tag === "TransferError" || error.reason._tag === "LinkNotFollowed") {
      const closed = this.refused(error)
      if (closed !== undefined) return closed
    }
    if (error._tag === "DefenderError") this.targets.isApiGone = error.reason._tag === "Unreachable"
    const outage = outageOf(error)
    // `gaveUp` has decided what the outage of a storage means.
    if (outage !== undefined) return error._tag === "DefenderError" ? outage : undefined
    // A gateway that lets no byte of any result through is as good as no network.
    const isClosed = error.reason._tag === "NotFromStorage" && !this.targets.hasBytes
    if (isClosed || isWithoutAnswer(error)) return this.unanswered(error)
    this.streaks.unanswered = undefined
    return undefined
  }

  private refused(error: DefenderError | TransferError): StorageRefused | undefined {
    const links = uselessLinks(error)
    if (links === 0) {
      this.streaks.refused = undefined
      return undefined
    }
    const total = this.extend("refused", links)
    return !this.targets.hasBytes && total >= refusedAfter
      ? new StorageRefused({ links: total, last: error })
      : undefined
  }

  private unanswered(error: DefenderError | TransferError): Outage | undefined {
    const failures = this.extend("unanswered", 1)
    return failures >= outageAfter ? new Outage({ failures, last: error }) : undefined
  }

  /** Extends a streak. Returns its length once the targets that were in progress at its start have finished, else 0. */
  private extend(name: "refused" | "unanswered", by: number): number {
    const streak = (this.streaks[name] ??= { count: 0, peers: this.targets.inProgress })
    streak.count += by
    return Array.from(streak.peers).some((result) => this.targets.isInProgress(result)) ? 0 : streak.count
  }

  private resetStreaks(): void {
    this.streaks.refused = undefined
    this.streaks.unanswered = undefined
  }
}

export const make = (): CircuitBreaker => new CircuitBreaker()
