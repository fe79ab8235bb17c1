/**
 * The targets of a batch in progress, and the storage that each of them waits for. A storage that does not answer concerns
 * its own targets, as long as any other target makes progress.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

interface Target {
  /** The origin of its link, once it has one. */
  storage: string | undefined
  /** Its storage has not answered yet. */
  isWaiting: boolean
  /** How many answers and outages there were when it asked its storage. */
  since: { readonly answers: number; readonly outages: number }
}

/**
 * Whom an outage of a storage concerns.
 *
 * - `this target`: another target made progress meanwhile
 * - `uncertain`: none did, but another storage answered its last request, or a target does not wait for a storage
 * - `all targets`: nothing else can make progress
 */
type Concern = "this target" | "uncertain" | "all targets"

export class BatchTargets {
  /** Bytes of any result arrived, so neither the network nor the account is closed to this machine. */
  hasBytes = false
  /** The API is out of reach, so targets that wait for it make no progress either. */
  isApiGone = false
  private answers = 0
  /** Outages one after the other. Those at the same time count once. */
  private outages = 0
  private readonly targets = new Map<string, Target>()
  /** The storages that answered their last request. */
  private readonly answering = new Set<string>()

  start(result: string): void {
    this.targets.set(result, { storage: undefined, isWaiting: false, since: this.now })
  }

  finish(result: string): void {
    this.targets.delete(result)
  }

  private get now(): Target["since"] {
    return { answers: this.answers, outages: this.outages }
  }

  get inProgress(): ReadonlySet<string> {
    return new Set(this.targets.keys())
  }

  isInProgress(result: string): boolean {
    return this.targets.has(result)
  }

  asks(result: string, storage: string): void {
    const target = this.targets.get(result)
    if (target === undefined) return
    target.storage = storage
    target.isWaiting = true
    target.since = this.now
  }

  answered(result: string): void {
    const target = this.targets.get(result)
    if (target?.storage === undefined) return
    target.isWaiting = false
    this.answers++
    this.answering.add(target.storage)
  }

  received(): void {
    this.hasBytes = true
    this.answers++
  }

  /** A target gave up waiting for its storage. Whom that concerns. */
  gaveUp(result: string): Concern {
    const target = this.targets.get(result)
    if (target?.storage === undefined) return "all targets"
    this.answering.delete(target.storage)
    if (this.answers > target.since.answers) return "this target"
    const mayProgress = this.answering.size > 0 || this.isOtherAtWork(result)
    if (this.isApiGone || !mayProgress) return "all targets"
    if (target.since.outages < this.outages) return "this target"
    this.outages++
    return "uncertain"
  }

  private isOtherAtWork(except: string): boolean {
    return Array.from(this.targets).some(([result, { isWaiting }]) => result !== except && !isWaiting)
  }
}

/** The targets of the current batch. Outside a batch there are none. */
export const Current = Context.Reference<BatchTargets | undefined>("@live-response/core/internal/BatchTargets", {
  defaultValue: () => undefined,
})

/** Records that a target asks its storage, and that it was answered. */
export const asking =
  (result: string, storage: string) =>
  <A, E, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Current, (targets) => {
      if (targets === undefined) return request
      targets.asks(result, storage)
      return Effect.map(request, (answer) => {
        targets.answered(result)
        return answer
      })
    })
