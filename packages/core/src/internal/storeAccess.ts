/**
 * Whether a store of objects accepts the requests of a program. One for an object that need not be there costs no link, and shows a wrong
 * key, or a container that is not there, before a link is lost to it.
 *
 * A credential may permit to write and not to read: so one link is requested at first, and one every five minutes, although requests are
 * refused. If its result is stored, no request is a test any more.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { type ObjectStoreError, Unreachable } from "../ObjectStoreError.ts"
import * as Outage from "../Outage.ts"
import { monotonicMillis } from "./monotonic.ts"
import { failed, join, type Service } from "../ObjectStore.ts"

/** Whether the store as a whole stores nothing until it is back, or until somebody makes space. */
export const isOutage = ({ isRetryable, reason }: ObjectStoreError): boolean =>
  isRetryable || (reason._tag === "Files" && (reason.problem === "DiskFull" || reason.problem === "TooManyOpenFiles"))

/** Whether somebody has to correct the store or its settings: a credential, a container that is not there, a directory that is read-only. */
export const isRefusal = (error: ObjectStoreError): boolean => !isOutage(error) && !error.isOfObject

/** How often a store that refused a request gets another one, for each prefix. */
const askEvery = Duration.seconds(30)

const checkEvery = Duration.seconds(5)

/** A link waits for 30 seconds: what takes longer would start again with each of them, and nobody would hear of it. */
const silence = "20 seconds"

/** What is known of the whole store. */
class Refusals {
  private readonly refused = new Set<string>()
  private readonly outage: Outage.Outage<string>
  /** The results whose links may be requested although the store refuses requests. */
  private readonly trials = new Set<string>()
  /** When there is another one. */
  private trialFrom = -Infinity
  /** A result was stored although requests were refused: the next refusal is of reads alone. */
  private hasStored = false
  private isReadRefusedAlone = false

  private readonly linkEvery: Duration.Duration

  constructor(address: string, linkEvery: Duration.Duration) {
    this.linkEvery = linkEvery
    this.outage = Outage.makeLogged(`${address} accepts requests again`)
  }

  readonly areOfReads = () => this.isReadRefusedAlone

  isTrial(key: string, now: number): boolean {
    if (this.trials.has(key)) return true
    if (now < this.trialFrom) return false
    this.trials.add(key)
    this.trialFrom = now + Duration.toMillis(this.linkEvery)
    return true
  }

  add(prefix: string, { message }: ObjectStoreError): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.hasStored) {
        this.isReadRefusedAlone = true
        this.refused.clear()
        return this.outage.works
      }
      this.refused.add(prefix)
      return this.outage.failed(
        `${message}; results wait until they can be stored, and at most one link is requested every five minutes`,
      )
    })
  }

  remove(prefix: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.hasStored = false
      this.refused.delete(prefix)
      return this.refused.size === 0 ? this.outage.works : Effect.void
    })
  }

  /** What has left asks no more, so that nothing would end its refusal. */
  forget(prefix: string): void {
    this.refused.delete(prefix)
  }

  readonly endTrials = Effect.sync(() => {
    this.trials.clear()
    this.hasStored = false
  })

  /** Of the others that are stored, the uploads may have been accepted before the store refused requests. */
  storedTrial(key: string): boolean {
    if (!this.trials.delete(key)) return false
    this.hasStored = true
    return true
  }
}

/** Whether objects with one prefix may be requested: the rights of a credential may end at it. */
export class Access {
  private isAccepted = false
  private askFrom = -Infinity
  private failure: ObjectStoreError | undefined
  private readonly oneAtATime = Semaphore.makeUnsafe(1)
  private readonly store: Pick<Service, "address" | "info">
  private readonly prefix: string
  private readonly refusals: Refusals

  constructor(store: Pick<Service, "address" | "info">, prefix: string, refusals: Refusals) {
    this.store = store
    this.prefix = prefix
    this.refusals = refusals
  }

  readonly isGranted = () => this.isAccepted || this.refusals.areOfReads()

  /** Waits with the link of a result while the store refuses requests. `onWait` is called with what it says. */
  untilGranted(key: string, onWait: (error: ObjectStoreError) => Effect.Effect<void>): Effect.Effect<void> {
    const check = Effect.gen({ self: this }, function* () {
      if (this.isGranted()) return true
      if ((yield* monotonicMillis) >= this.askFrom) yield* this.ask
      if (this.isGranted() || this.refusals.isTrial(join(this.prefix, key), yield* monotonicMillis)) return true
      if (this.failure !== undefined) yield* onWait(this.failure)
      return false
    }).pipe(this.oneAtATime.withPermit)
    return Effect.asVoid(Effect.repeat(check, { until: (isDone) => isDone, schedule: Schedule.spaced(checkEvery) }))
  }

  /** An upload was refused: the next link waits until a request is not. */
  readonly refused = Effect.suspend(() => {
    this.isAccepted = false
    this.askFrom = -Infinity
    return this.refusals.endTrials
  })

  /** Nothing is stored with this prefix any more, such as after its tenant has moved to another machine. */
  readonly leave = Effect.sync(() => this.refusals.forget(this.prefix))

  /** A result was stored: a store that was silent answers. The next link asks whether requests are still refused. */
  works(key: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isGranted()) return Effect.void
      if (this.failure !== undefined && !isRefusal(this.failure)) return this.accepts
      if (this.refusals.storedTrial(join(this.prefix, key))) this.askFrom = -Infinity
      return Effect.void
    })
  }

  private readonly ask = Effect.suspend(() => {
    const object = join(this.prefix, "access-check")
    return Effect.matchEffect(Effect.timeoutOption(this.store.info(object), silence), {
      // What is not a refusal is for the upload to find out.
      onFailure: (error) => (isRefusal(error) ? this.fails(error) : this.accepts),
      onSuccess: (answer) => (Option.isSome(answer) ? this.accepts : this.fails(this.silent(object))),
    })
  })

  private silent(object: string): ObjectStoreError {
    const description = `no usable answer within ${silence}`
    return failed(this.store.address, object, new Unreachable({ description }))
  }

  private readonly accepts = Effect.suspend(() => {
    this.isAccepted = true
    return this.refusals.remove(this.prefix)
  })

  private fails(error: ObjectStoreError): Effect.Effect<void> {
    return Effect.flatMap(monotonicMillis, (now) => {
      this.failure = error
      this.askFrom = now + Duration.toMillis(askEvery)
      return this.refusals.add(this.prefix, error)
    })
  }
}

/** The access of each prefix of a store. */
export const make = (store: Service, linkEvery: Duration.Duration): ((prefix: string) => Access) => {
  const refusals = new Refusals(store.address, linkEvery)
  return (prefix) => new Access(store, prefix, refusals)
}
