/**
 * The targets of a batch in progress, and what each of them waits for: a storage that does not answer is the trouble of its
 * own targets for as long as any other target makes progress.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

interface Target {
  /** The origin of its link, once it has one. */
  storage: string | undefined
  /** Its storage has not answered yet. */
  isWaiting: boolean
  /** How many answers, and waits in vain, there were when it asked its storage. */
  since: { readonly answers: number; readonly waits: number }
}

/**
 * What a wait in vain means. `alone`: another target made progress meanwhile. `doubtful`: none did, but another storage
 * answered last time, or a target does not wait for a storage.
 */
type InVain = "alone" | "doubtful" | "for all"

export class BatchTargets {
  /** A byte of any result came: no network and no account is closed to this machine. */
  hasBytes = false
  /** The API is out of reach, so that those who wait for it make no progress either. */
  isApiGone = false
  private answers = 0
  /** Waits in vain, one after the other: those that went on at the same time are one. */
  private waits = 0
  private readonly targets = new Map<string, Target>()
  /** The storages that answered last time. */
  private readonly answering = new Set<string>()

  start(result: string): void {
    this.targets.set(result, { storage: undefined, isWaiting: false, since: this.now })
  }

  finish(result: string): void {
    this.targets.delete(result)
  }

  private get now(): Target["since"] {
    return { answers: this.answers, waits: this.waits }
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

  /** A target waited for its storage in vain: what that means for the others. */
  waitedInVain(result: string): InVain {
    const target = this.targets.get(result)
    if (target?.storage === undefined) return "for all"
    this.answering.delete(target.storage)
    if (this.answers > target.since.answers) return "alone"
    const isHope = this.answering.size > 0 || this.isAnyAtWork(result)
    if (this.isApiGone || !isHope) return "for all"
    if (target.since.waits < this.waits) return "alone"
    this.waits++
    return "doubtful"
  }

  private isAnyAtWork(except: string): boolean {
    return Array.from(this.targets).some(([result, { isWaiting }]) => result !== except && !isWaiting)
  }
}

/** Those of the batch in progress. Outside of one there are none. */
export const Current = Context.Reference<BatchTargets | undefined>("@live-response/core/internal/BatchTargets", {
  defaultValue: () => undefined,
})

/** Runs a request to a storage as one of a target of the batch. */
export const asking =
  (result: string, storage: string) =>
  <A, E, R>(request: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      const targets = yield* Current
      targets?.asks(result, storage)
      const answer = yield* request
      targets?.answered(result)
      return answer
    })
