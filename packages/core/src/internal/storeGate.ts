/**
 * What is done while a store of objects stores nothing. A link costs quota, and is lost where its result can't be stored.
 *
 * Where the store as a whole is full or away, uploads take turns to try, and hardly any link is requested. Where it refuses requests, that
 * is known before the first link ({@link StoreAccess}). Where something else is wrong, such as the right to write or the disk of the
 * spool, results fail, and the links of the tenant are requested one by one until a result is stored.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type * as ObjectStore from "../ObjectStore.ts"
import { ObjectStoreError } from "../ObjectStoreError.ts"
import * as Outage from "../Outage.ts"
import { StoreError } from "../StoreError.ts"
import { monotonicMillis } from "./monotonic.ts"
import * as OutagePatience from "./outagePatience.ts"
import { onceItFails } from "./scheduleCombinators.ts"
import * as StoreAccess from "./storeAccess.ts"

const isOutage = (error: unknown): error is ObjectStoreError =>
  error instanceof ObjectStoreError && StoreAccess.isOutage(error)

/** The message of a service, which tries again by itself. */
const messageOf = ({ message, object: path, reason }: ObjectStoreError): string =>
  reason._tag === "Files"
    ? new StoreError({ path, problem: reason.problem, detail: reason.detail, isRetried: true }).message
    : message

/**
 * While no upload succeeds, one link is requested in this time: the store may refuse what waits alone, such as by its size, and only
 * another result can show that.
 */
const linkEvery = Duration.minutes(5)

type OnWait = (error: ObjectStoreError) => Effect.Effect<void>

/** The uploads to one store. */
class Uploads {
  private inProgress = 0
  /** How many succeeded. */
  private stored = 0
  private failure: ObjectStoreError | undefined
  private readonly outage: Outage.Outage<string>
  private readonly turn = Semaphore.makeUnsafe(1)
  private readonly open = Latch.makeUnsafe(true)
  /** The result whose link may be requested although uploads wait. */
  private probe: string | undefined
  /** When that is another one. */
  private probeFrom = Infinity

  constructor(address: string) {
    this.outage = Outage.makeLogged(`${address} stores results again`)
  }

  readonly isOpen = () => this.open.isOpen()

  /** Waits with the link of a result while uploads wait. `onWait` is called with what they wait for. */
  untilOpen(key: string, onWait: OnWait): Effect.Effect<void> {
    const wait = Effect.suspend(() => Effect.andThen(this.explain(onWait), this.open.await))
    return Effect.suspend(() =>
      this.isOpen()
        ? Effect.void
        : Effect.flatMap(monotonicMillis, (now) => (this.isProbe(key, now) ? Effect.void : wait)),
    )
  }

  /** Uploads as soon as the store can. `onWait` is called with each failure until then, and each minute. */
  through<A, E, R>(
    upload: Effect.Effect<A, ObjectStoreError | E, R>,
    onWait: OnWait,
  ): Effect.Effect<A, ObjectStoreError | E, R> {
    return Effect.suspend(() => {
      /** How many others were stored when this one failed first. */
      let storedBefore: number | undefined
      const alone = Outage.make({
        onStart: (error: ObjectStoreError) =>
          Effect.logWarning(`${messageOf(error)}; this result waits, while others are stored`),
        onEnd: Effect.void,
      })
      const fails = (error: ObjectStoreError) =>
        Effect.suspend(() => {
          storedBefore ??= this.stored
          return storedBefore === this.stored ? this.fails(error) : alone.failed(error)
        })
      const attempt = upload.pipe(
        Effect.tap(() => this.works),
        Effect.tapError((error) => (isOutage(error) ? fails(error) : this.answers)),
      )
      // Between two attempts others have their turn: the store may refuse this one alone, such as by its size.
      const stored = onceItFails(
        Effect.suspend(() => (this.isOpen() ? attempt : this.inTurn(attempt, onWait))),
        (stored) =>
          stored.pipe(
            Effect.tapError((error) => (isOutage(error) ? onWait(error) : Effect.void)),
            Effect.retry({ schedule: OutagePatience.retries, while: isOutage }),
          ),
      )
      return Effect.acquireUseRelease(
        this.start,
        () => stored,
        () => this.finish,
      )
    })
  }

  private inTurn<A, E, R>(attempt: Effect.Effect<A, E, R>, onWait: OnWait): Effect.Effect<A, E, R> {
    // Those that wait here when the store is back upload side by side.
    const turn = Effect.suspend(() => (this.isOpen() ? Effect.succeedNone : Effect.asSome(attempt))).pipe(
      this.turn.withPermit,
      Effect.flatMap(Option.match({ onNone: () => attempt, onSome: Effect.succeed })),
    )
    const explained = Effect.repeat(this.explain(onWait), Schedule.spaced(OutagePatience.longest))
    return Effect.raceFirst(turn, Effect.andThen(explained, Effect.never))
  }

  private isProbe(key: string, now: number): boolean {
    if (this.probe === key) return true
    if (now < this.probeFrom) return false
    this.probe = key
    this.probeFrom = now + Duration.toMillis(linkEvery)
    return true
  }

  private explain(onWait: OnWait): Effect.Effect<void> {
    return Effect.suspend(() => (this.failure === undefined ? Effect.void : onWait(this.failure)))
  }

  private readonly start = Effect.sync(() => void this.inProgress++)

  /** Without an upload that tries, the next link does. */
  private readonly finish = Effect.sync(() => {
    this.inProgress--
    if (this.inProgress === 0) this.open.openUnsafe()
  })

  private fails(error: ObjectStoreError): Effect.Effect<void> {
    return Effect.flatMap(monotonicMillis, (now) => {
      if (this.isOpen()) this.probeFrom = now + Duration.toMillis(linkEvery)
      this.open.closeUnsafe()
      this.failure = error
      return this.outage.failed(
        `${messageOf(error)}; results wait until they can be stored, and at most one link is requested every five minutes`,
      )
    })
  }

  /** The store is not away, although this upload failed: the others try for themselves. */
  private readonly answers = Effect.sync(() => this.open.openUnsafe())

  private readonly works = Effect.suspend(() => {
    this.stored++
    this.open.openUnsafe()
    this.failure = undefined
    this.probe = undefined
    return this.outage.works
  })
}

/** The links of one tenant, which are requested one by one from a failure on until a result is stored. */
class Links {
  /** The results that are being stored. Links for others take no turn. */
  private readonly inProgress = new Set<string>()
  private isFailing = false
  private probe: string | undefined
  private readonly free = Latch.makeUnsafe(true)

  /** Whether the link of a result waits for no turn. */
  isOpen(key: string): boolean {
    return !this.isFailing || this.probe === key || !this.inProgress.has(key)
  }

  /** Waits for the turn of a result. */
  turnOf(key: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isOpen(key)) return Effect.void
      if (this.probe !== undefined) return Effect.andThen(this.free.await, this.turnOf(key))
      this.probe = key
      this.free.closeUnsafe()
      return Effect.void
    })
  }

  start(key: string): Effect.Effect<void> {
    return Effect.sync(() => void this.inProgress.add(key))
  }

  /** A result is stored: from now on none takes a turn. */
  readonly works = Effect.sync(() => {
    this.isFailing = false
    this.endTurn()
  })

  /** The upload of a result waits for the store as a whole, which may take for ever: another one has its turn. */
  waits(key: string): Effect.Effect<void> {
    return Effect.sync(() => {
      if (this.probe === key) this.endTurn()
    })
  }

  /** A result is finished, stored or not. */
  finish(key: string, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.sync(() => {
      this.inProgress.delete(key)
      const error = Option.getOrUndefined(Exit.findErrorOption(exit))
      if (error instanceof StoreError && error.ofResult !== true) this.isFailing = true
      if (this.probe === key) this.endTurn()
    })
  }

  private endTurn(): void {
    this.probe = undefined
    this.free.openUnsafe()
  }
}

/** What is done with the links of one prefix. */
interface OfPrefix {
  readonly access: StoreAccess.Access
  readonly links: Links
}

export interface Gates {
  readonly uploads: Uploads
  /** The disk of the spools. */
  readonly disk: Outage.Outage<string>
  readonly ofPrefix: (prefix: string) => OfPrefix
}

const makeGates = (store: ObjectStore.Service): Gates => {
  const accessOf = StoreAccess.make(store, linkEvery)
  const prefixes = new Map<string, OfPrefix>()
  return {
    uploads: new Uploads(store.address),
    disk: Outage.makeLogged("the disk of the spool has space again"),
    ofPrefix: (prefix) => {
      const known = prefixes.get(prefix) ?? { access: accessOf(prefix), links: new Links() }
      prefixes.set(prefix, known)
      return known
    },
  }
}

/** Of all that stores in one store: also of a tenant whose work was started again. */
const gates = new WeakMap<ObjectStore.Service, Gates>()

export const gatesOf = (store: ObjectStore.Service): Gates => {
  const known = gates.get(store) ?? makeGates(store)
  gates.set(store, known)
  return known
}
