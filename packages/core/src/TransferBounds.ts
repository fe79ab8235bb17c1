/**
 * Bounds what the transfers of a program use together, and shares it fairly among those that download.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { allowBorrowing, mayBorrow } from "./internal/borrowing.ts"
import * as FairShares from "./FairShares.ts"
import { LinkGate, NotNow } from "./LinkGate.ts"
import { keyOf, type ResultRef } from "./ResultRef.ts"
import { ResultStore, type ResultWriter, type Service as Store } from "./ResultStore.ts"
import type { ResultChunk } from "./ResultChunk.ts"

/**
 * What a program uses at once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Results that are transferred, from the request of their link until they are stored. By default 32. */
  readonly transfers: number

  /** How many of them are of one user. By default 8. */
  readonly transfersPerUser: number

  /** Bytes of results that are written and not stored yet: what a spool needs of the disk. By default 20 GB. */
  readonly bytes: number

  /** How many of them are of one user. By default 10 GB. */
  readonly bytesPerUser: number
}

/**
 * The limits that apply if no others are given.
 *
 * @since 0.1.0
 * @category limits
 */
export const defaults: Limits = { transfers: 32, transfersPerUser: 8, bytes: 20e9, bytesPerUser: 10e9 }

/**
 * What is used now, and how many transfers wait.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly transfers: number
  readonly bytes: number
  readonly waiting: number
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  readonly limits: Limits

  readonly status: Effect.Effect<Status>

  /** The share of a user: it bounds what is written to a store, and requests links only while there is space. */
  readonly shareOf: (user: string) => {
    readonly store: (store: Store) => Store
    readonly gate: (ref: ResultRef) => Effect.Effect<void, NotNow>
  }
}

/**
 * The bounds of all transfers of a program.
 *
 * **Details**
 *
 * Of the users that wait, the one that uses the least is served first, and among equals the one that was served longest ago. So one
 * with 100,000 results does not hold up another that has one.
 *
 * A transfer counts from the moment in which its link is requested: one that waits for the quota uses nothing. Bytes count from the
 * first one that arrives, by the length that the storage announces. A result that is larger than the limit is written alone.
 *
 * **Gotchas**
 *
 * A result without an announced length counts by what has arrived, so that the bytes may exceed their limit.
 *
 * @since 0.1.0
 * @category services
 */
export class TransferBounds extends Context.Service<TransferBounds, Service>()("@live-response/core/TransferBounds") {}

/** A permit of the quota is given back if there is no space within this time. It would count as answered after two minutes. */
const gatePatience = "30 seconds"

interface Shares {
  readonly slots: FairShares.FairShares
  readonly bytes: FairShares.FairShares
}

/** A result that is being written. */
class Transfer {
  private readonly user: string
  private readonly scope: Scope.Scope
  private readonly shares: Shares
  private hasSlot = false
  private reserved = 0

  constructor(user: string, scope: Scope.Scope, { bytes, slots }: Shares) {
    this.user = user
    this.scope = scope
    this.shares = { bytes, slots }
  }

  readonly start: Effect.Effect<void> = Effect.suspend(() => {
    if (this.hasSlot) return Effect.void
    return Effect.uninterruptible(
      Effect.tap(Scope.provide(this.shares.slots.take(this.user, 1), this.scope), () =>
        Effect.sync(() => {
          this.hasSlot = true
        }),
      ),
    )
  })

  /** Reserves what the result needs once, before its first bytes. What it needs beyond that is counted as it comes. */
  reserve({ bytes, head, offset }: ResultChunk): Effect.Effect<void> {
    const needed = Math.max(head.length ?? 0, offset + bytes.length)
    const missing = needed - this.reserved
    if (missing <= 0) return Effect.void
    const isFirst = this.reserved === 0
    this.reserved = needed
    const { bytes: shares } = this.shares
    const reserve = isFirst ? shares.take(this.user, missing) : shares.add(this.user, missing)
    return Scope.provide(reserve, this.scope)
  }
}

const boundWriter = (writer: ResultWriter, transfer: Transfer): ResultWriter => {
  const bound: ResultWriter = {
    ...writer,
    write: (chunk) =>
      transfer.start.pipe(
        Effect.andThen(Effect.suspend(() => transfer.reserve(chunk))),
        Effect.andThen(Effect.suspend(() => writer.write(chunk))),
      ),
  }
  return mayBorrow(writer) ? allowBorrowing(bound) : bound
}

/**
 * Makes the service.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (chosen?: Partial<Limits>): Service => {
  const limits = { ...defaults, ...chosen }
  const slots = FairShares.make({ total: limits.transfers, perUser: limits.transfersPerUser })
  const bytes = FairShares.make({ total: limits.bytes, perUser: limits.bytesPerUser })
  return {
    limits,
    status: Effect.sync(() => ({
      transfers: slots.status().used,
      bytes: bytes.status().used,
      waiting: slots.status().waiting + bytes.status().waiting,
    })),
    shareOf: (user) => {
      const transfers = new Map<string, Transfer>()
      return {
        store: (store) => ({
          ...store,
          open: Effect.fnUntraced(function* (ref) {
            const writer = yield* store.open(ref)
            const key = keyOf(ref)
            const transfer = new Transfer(user, yield* Effect.scope, { bytes, slots })
            yield* Effect.acquireRelease(
              Effect.sync(() => transfers.set(key, transfer)),
              () => Effect.sync(() => transfers.delete(key)),
            )
            return boundWriter(writer, transfer)
          }),
        }),
        gate: (ref) =>
          Effect.suspend(() => transfers.get(keyOf(ref))?.start ?? Effect.void).pipe(
            Effect.timeoutOrElse({ duration: gatePatience, orElse: () => Effect.fail(new NotNow()) }),
          ),
      }
    },
  }
}

/**
 * The bounds of this program, with the defaults for those that are not given.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (limits?: Partial<Limits>): Layer.Layer<TransferBounds> =>
  Layer.sync(TransferBounds, () => make(limits))

/**
 * The store in context within the bounds: provide it to what downloads for this user.
 *
 * **Example** (Two tenants that share a program)
 *
 * @example
 * ```ts
 * import * as ResultStore from "@live-response/core/ResultStore"
 * import * as TransferBounds from "@live-response/core/TransferBounds"
 * import * as Layer from "effect/Layer"
 *
 * const boundedFor = (tenant: string) =>
 *   TransferBounds.layerShare(tenant).pipe(Layer.provide(ResultStore.layerMemory))
 *
 * export const stores = [boundedFor("contoso"), boundedFor("fabrikam")]
 * export const bounds = TransferBounds.layer({ transfers: 16, transfersPerUser: 4 })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerShare = (user: string): Layer.Layer<ResultStore, never, ResultStore | TransferBounds> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const { shareOf } = yield* TransferBounds
      const { gate, store } = shareOf(user)
      // That of the store comes first: what waits for it uses nothing.
      const ofStore = yield* LinkGate
      const both = (ref: ResultRef) => Effect.andThen(ofStore(ref), gate(ref))
      return Context.make(ResultStore, store(yield* ResultStore)).pipe(Context.add(LinkGate, both))
    }),
  )
