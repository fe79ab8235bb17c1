/**
 * What is done while a store of objects stores nothing. A link costs quota, and is lost where its result can't be stored.
 *
 * Where the store as a whole is full or away, uploads take turns to try, and no link is requested. Where something else is wrong,
 * such as the rights of one tenant or the disk of the spool, results fail, and the links of the tenant are requested one by one until
 * a result is stored.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type * as ObjectStore from "../ObjectStore.ts"
import { ObjectStoreError } from "../ObjectStoreError.ts"
import { StoreError } from "../StoreError.ts"
import * as OutagePatience from "./outagePatience.ts"

/** Whether no object of any name can be stored until somebody makes space, or until the store is back. */
const isOfStore = (error: unknown): error is ObjectStoreError => {
  if (!(error instanceof ObjectStoreError)) return false
  const { reason } = error
  if (reason._tag === "Files") return reason.problem === "DiskFull" || reason.problem === "TooManyOpenFiles"
  return error.isRetryable
}

/** The message of a service, which tries again by itself. */
const messageOf = ({ message, object: path, reason }: ObjectStoreError): string =>
  reason._tag === "Files"
    ? new StoreError({ path, problem: reason.problem, detail: reason.detail, isRetried: true }).message
    : message

/** Warns once when something is in trouble, and says once that it is not any more. */
class Trouble {
  private isReported = false
  private readonly over: string

  constructor(over: string) {
    this.over = over
  }

  warn(message: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isReported) return Effect.void
      this.isReported = true
      return Effect.logWarning(`${message}; results wait until they can be stored, and no link is requested meanwhile`)
    })
  }

  readonly end = Effect.suspend(() => {
    if (!this.isReported) return Effect.void
    this.isReported = false
    return Effect.logInfo(this.over)
  })
}

type OnWait = (error: ObjectStoreError) => Effect.Effect<void>

/** The uploads to one store. */
class Uploads {
  private inProgress = 0
  private failure: ObjectStoreError | undefined
  private readonly trouble: Trouble
  private readonly turn = Semaphore.makeUnsafe(1)
  private readonly open = Latch.makeUnsafe(true)

  constructor(address: string) {
    this.trouble = new Trouble(`${address} stores results again`)
  }

  /** Waits while uploads wait. `onWait` is called with what they wait for. */
  untilOpen(onWait: OnWait): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.open.isOpen() ? Effect.void : Effect.andThen(this.explain(onWait), Effect.asVoid(this.open.await)),
    )
  }

  /** Uploads as soon as the store can. `onWait` is called with each failure until then, and each minute. */
  through<A, E, R>(
    upload: Effect.Effect<A, ObjectStoreError | E, R>,
    onWait: OnWait,
  ): Effect.Effect<A, ObjectStoreError | E, R> {
    const attempt = upload.pipe(
      Effect.tap(this.works),
      Effect.tapError((error) => (isOfStore(error) ? this.fails(error) : this.answers)),
    )
    // Those that wait here when the store is back upload side by side.
    const turn = Effect.suspend(() => (this.open.isOpen() ? Effect.succeedNone : Effect.asSome(attempt))).pipe(
      this.turn.withPermit,
      Effect.flatMap(Option.match({ onNone: () => attempt, onSome: Effect.succeed })),
    )
    const explained = Effect.repeat(this.explain(onWait), Schedule.spaced(OutagePatience.longest))
    const waiting = Effect.raceFirst(turn, Effect.andThen(explained, Effect.never))
    // Between two attempts others have their turn: the store may refuse this one alone, such as by its size.
    const stored = Effect.suspend(() => (this.open.isOpen() ? attempt : waiting)).pipe(
      Effect.tapError((error) => (isOfStore(error) ? onWait(error) : Effect.void)),
      Effect.retry({ schedule: OutagePatience.retries, while: isOfStore }),
    )
    return Effect.acquireUseRelease(
      this.start,
      () => stored,
      () => this.finish,
    )
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
    return Effect.suspend(() => {
      this.open.closeUnsafe()
      this.failure = error
      return this.trouble.warn(messageOf(error))
    })
  }

  /** The store is not away, although this upload failed: the others try for themselves. */
  private readonly answers = Effect.sync(() => this.open.openUnsafe())

  private readonly works = Effect.suspend(() => {
    this.open.openUnsafe()
    this.failure = undefined
    return this.trouble.end
  })
}

/** The links of one tenant, which are requested one by one from a failure on until a result is stored. */
class Links {
  /** The results that are being stored. Links for others take no turn. */
  private readonly inProgress = new Set<string>()
  private isFailing = false
  private probe: string | undefined
  private readonly free = Latch.makeUnsafe(true)

  /** Waits for the turn of a result. */
  turnOf(key: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.isFailing || this.probe === key || !this.inProgress.has(key)) return Effect.void
      if (this.probe !== undefined) return Effect.andThen(this.free.await, this.turnOf(key))
      this.probe = key
      this.free.closeUnsafe()
      return Effect.void
    })
  }

  start(key: string): Effect.Effect<void> {
    return Effect.sync(() => void this.inProgress.add(key))
  }

  /** A result is finished. */
  finish(key: string, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.sync(() => {
      this.inProgress.delete(key)
      const error = Option.getOrUndefined(Exit.findErrorOption(exit))
      if (Exit.isSuccess(exit)) this.isFailing = false
      if (error instanceof StoreError && error.ofResult !== true) this.isFailing = true
      if (this.isFailing && this.probe !== key) return
      this.probe = undefined
      this.free.openUnsafe()
    })
  }
}

export interface Gates {
  readonly uploads: Uploads
  /** The disk of the spools. */
  readonly disk: Trouble
  readonly linksOf: (prefix: string) => Links
}

const makeGates = (address: string): Gates => {
  const links = new Map<string, Links>()
  return {
    uploads: new Uploads(address),
    disk: new Trouble("the disk of the spool has space again"),
    linksOf: (prefix) => {
      const known = links.get(prefix) ?? new Links()
      links.set(prefix, known)
      return known
    },
  }
}

/** Of all that stores in one store: also of a tenant whose work was started again. */
const gates = new WeakMap<ObjectStore.Service, Gates>()

export const gatesOf = (store: ObjectStore.Service): Gates => {
  const known = gates.get(store) ?? makeGates(store.address)
  gates.set(store, known)
  return known
}
