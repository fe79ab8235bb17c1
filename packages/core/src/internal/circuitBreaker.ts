/** Decides when the errors of a batch's targets end the batch, because every other target would fail as well. */
import { NetworkDown, StorageRefused } from "../BatchError.ts"
import type { DefectError } from "../DefectError.ts"
import { DefenderError } from "../DefenderError.ts"
import type { ResultError } from "../ResultError.ts"
import type { TransferError } from "../TransferError.ts"
import { BatchTargets } from "./batchTargets.ts"

/** This many targets in a row without an answer are an outage, not an accident of each of them. */
const outageAfter = 10

/**
 * How many refusals in a row by the API mean that access was taken away. With fewer, a 403 may concern only a machine that
 * the user may not see, and a 401 only its own target.
 */
const deniedAfter = { Forbidden: 8, Unauthorized: 2 }

/** This many useless links in a row mean that the storage is closed to this network, if none ever worked. */
const refusedAfter = 5

/**
 * If this machine's certificates or proxy prevent this many connections in a row, all storages are affected; a single failure
 * concerns one.
 */
const localAfter = 5

/** The errors in a row that end a batch. */
type BatchEnd = NetworkDown | StorageRefused | TransferError

/** The typed errors of a target, any of which may end the batch. */
type TargetError = Exclude<ResultError, DefectError>

/** Whether the error concerns every target, whatever happened before. */
const concernsAll = (error: TargetError): boolean => {
  switch (error._tag) {
    case "CredentialError":
    case "QuotaStoreError":
      return true
    case "StoreError":
      return error.ofResult !== true
    case "DefenderError":
      return error.isLocal || isUnknownName(error)
    case "TransferError":
      return false
  }
}

/** The API was never reached by this name. If it was reached before, an unknown name is a network that is gone. */
const isUnknownName = ({ reason }: DefenderError): boolean =>
  reason._tag === "Unreachable" && reason.kind === "name" && reason.waited === undefined

/** Whether there was no answer of the API, or no connection to the storage. */
const isWithoutAnswer = ({ reason }: DefenderError | TransferError): boolean =>
  reason._tag === "Unreachable" || (reason._tag === "Broken" && reason.kind !== undefined)

/** The outage that an error reports, if its call waited for a connection as long as the batch allows. */
const outageOf = (last: DefenderError | TransferError): NetworkDown | undefined => {
  const { reason } = last
  const waited = reason._tag === "Unreachable" || reason._tag === "Broken" ? reason.waited : undefined
  return waited === undefined ? undefined : new NetworkDown({ failures: 1, last, waited })
}

/** The outage of the API that an error reports, if it is one. */
export const gaveUp = (error: unknown): NetworkDown | undefined =>
  error instanceof DefenderError ? outageOf(error) : undefined

/** How many links of one target were useless. A refused link was renewed once, so it counts as two. */
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

/** The errors of a streak: links that were refused, targets without an answer, connections that this machine prevents. */
type StreakName = "refused" | "unanswered" | "local"

/** What one batch has learned from its targets. */
export class CircuitBreaker {
  readonly targets = new BatchTargets()
  private isPermitted = false
  private denials = { Forbidden: 0, Unauthorized: 0 }
  private readonly streaks = new Map<StreakName, Streak>()

  /** The API permitted a call. */
  permitted(): void {
    this.isPermitted = true
    this.denials = { Forbidden: 0, Unauthorized: 0 }
    this.targets.isApiGone = false
  }

  /** Bytes of a result arrived. */
  received(): void {
    this.targets.received()
    this.streaks.clear()
  }

  /** Whether the error of one target ends the batch. Call it once for each error. */
  readonly isEndedBy = (error: TargetError): boolean => {
    const tag = error._tag === "DefenderError" ? error.reason._tag : undefined
    if (tag !== "Forbidden" && tag !== "Unauthorized") return concernsAll(error)
    this.denials[tag]++
    return !this.isPermitted || this.denials[tag] >= deniedAfter[tag]
  }

  /** The outage that ends the batch, if that is what the error of one target means after its wait for a connection. */
  gaveUp(error: TargetError): NetworkDown | undefined {
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
  outage(error: ResultError | undefined): BatchEnd | undefined {
    if (error?._tag === "DefenderError" || error?._tag === "TransferError") return this.learn(error)
    if (error === undefined) this.targets.received()
    this.streaks.clear()
    return undefined
  }

  /** What the error of a finished target means for the others. */
  private learn(error: DefenderError | TransferError): BatchEnd | undefined {
    if (error._tag === "TransferError" && error.isLocal) return this.local(error)
    this.streaks.delete("local")
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
    this.streaks.delete("unanswered")
    return undefined
  }

  private refused(error: DefenderError | TransferError): StorageRefused | undefined {
    const links = uselessLinks(error)
    if (links === 0) {
      this.streaks.delete("refused")
      return undefined
    }
    const total = this.extend("refused", links)
    return !this.targets.hasBytes && total >= refusedAfter
      ? new StorageRefused({ links: total, last: error })
      : undefined
  }

  private unanswered(error: DefenderError | TransferError): NetworkDown | undefined {
    const failures = this.extend("unanswered", 1)
    return failures >= outageAfter ? new NetworkDown({ failures, last: error }) : undefined
  }

  /** Where another storage works, this machine's certificates and proxy are not what is wrong. */
  private local(error: TransferError): TransferError | undefined {
    return this.extend("local", 1) >= localAfter && !this.targets.hasBytes ? error : undefined
  }

  /** Extends a streak. Returns its length once the targets that were in progress at its start have finished, else 0. */
  private extend(name: StreakName, by: number): number {
    const streak = this.streaks.get(name) ?? { count: 0, peers: this.targets.inProgress }
    this.streaks.set(name, streak)
    streak.count += by
    return Array.from(streak.peers).some((result) => this.targets.isInProgress(result)) ? 0 : streak.count
  }
}

export const make = (): CircuitBreaker => new CircuitBreaker()
