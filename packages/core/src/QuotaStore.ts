/**
 * The log of calls that a quota is kept by: in memory, or where several programs share it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { upperBound } from "./internal/upperBound.ts"
import { monotonicMillis } from "./internal/monotonic.ts"
import { only } from "./internal/schedule.ts"
import { Wait } from "./internal/wait.ts"
import * as QuotaRule from "./QuotaRule.ts"
import { QuotaStoreError } from "./QuotaStoreError.ts"
import { Timing } from "./Timing.ts"

/**
 * No call may start now. `retryAfter` is the shortest time after which one may: ask again then.
 *
 * @since 0.1.0
 * @category errors
 */
export class QuotaFull extends Schema.TaggedError<QuotaFull>("@live-response/core/QuotaStore/QuotaFull")("QuotaFull", {
  retryAfter: Wait,
}) {}

/**
 * A place for one call. It is ended once, one way or the other. Where no end can be written down, the place's lease makes
 * up for it: then the call counts as answered when that is over.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  /** The answer is here: from now on the call counts for a whole window. */
  readonly answered: Effect.Effect<void, QuotaStoreError>

  /** No call was sent. */
  readonly giveBack: Effect.Effect<void, QuotaStoreError>
}

/**
 * One log of calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallLog {
  /** Takes a place for one call, or fails with the time to wait. */
  readonly take: Effect.Effect<Place, QuotaFull | QuotaStoreError>

  /**
   * The server refused a call for this long: none starts before, and the calls that others must have made are entered
   * (see `QuotaRule.phantoms`). With a wait of zero these calls are entered alone. See `QuotaRule.refusalWait`.
   */
  readonly refused: (wait: Duration.Duration) => Effect.Effect<void, QuotaStoreError>

  /** What it knows now. */
  readonly calls: Effect.Effect<QuotaRule.Calls, QuotaStoreError>
}

/**
 * @since 0.1.0
 * @category options
 */
export interface LogOptions {
  /** The same name is the same log. */
  readonly name: string

  readonly windows: ReadonlyArray<QuotaRule.Window>

  /**
   * No call is under way for longer. A place whose holder is gone is in flight until its lease is over, and counts as
   * answered from then on.
   */
  readonly lease: Duration.Duration
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** Opens a log of calls. */
  readonly open: (options: LogOptions) => Effect.Effect<CallLog, QuotaStoreError>
}

/**
 * Keeps logs of calls.
 *
 * @since 0.1.0
 * @category services
 */
export class QuotaStore extends Context.Service<QuotaStore, Service>()("@live-response/core/QuotaStore") {}

/**
 * Asks a store again that does not answer now, by `Timing.quotaStore`, and says so in the log each time.
 *
 * @since 0.1.0
 * @category retrying
 */
export const untilItAnswers = <A, E, R>(
  effect: Effect.Effect<A, E | QuotaStoreError, R>,
): Effect.Effect<A, E | QuotaStoreError, R> =>
  Effect.flatMap(Timing, ({ quotaStore }) =>
    Effect.retry(
      effect,
      only(
        quotaStore.pipe(Schedule.tap(({ input }) => Effect.logWarning(input.message))),
        (error: unknown): error is QuotaStoreError => error instanceof QuotaStoreError && error.isRetryable,
      ),
    ),
  )

/**
 * Answers that are older than this are dropped from a log that programs share, unless the windows of the program at hand
 * are longer: another one may have longer windows.
 *
 * @since 0.1.0
 * @category options
 */
export const retention: Duration.Duration = Duration.days(1)

/** A log in memory, as all who open it share it. */
class Memory {
  inFlight = 0
  blockedUntil = 0
  stamps: Array<number> = []
  private span = 0

  /** Answers are kept for the longest window that anybody has. */
  keepFor(span: number): void {
    this.span = Math.max(this.span, span)
  }

  add(now: number, stamps: ReadonlyArray<number>): void {
    const last = this.stamps.at(-1) ?? -Infinity
    const isSorted = stamps.every((stamp) => stamp >= last)
    for (const stamp of stamps) this.stamps.push(stamp)
    if (!isSorted) this.stamps.sort((a, b) => a - b)
    // Dropped by halves, so that a slice costs no more than the calls that it drops.
    const expired = upperBound(this.stamps, now - this.span)
    if (expired * 2 > this.stamps.length) this.stamps = this.stamps.slice(expired)
  }
}

/** By the monotonic clock, so that one that is set neither brings calls back nor lets them all go. */
const openMemory = (memory: Memory, windows: ReadonlyArray<QuotaRule.Window>): CallLog => {
  const at = (now: number): QuotaRule.Calls => ({
    now,
    inFlight: memory.inFlight,
    stamps: memory.stamps,
    blockedUntil: memory.blockedUntil,
  })
  memory.keepFor(QuotaRule.longest(windows))

  const place: Place = {
    answered: Effect.map(monotonicMillis, (now) => {
      memory.inFlight--
      memory.add(now, [now])
    }),
    giveBack: Effect.sync(() => {
      memory.inFlight--
    }),
  }

  return {
    take: Effect.flatMap(monotonicMillis, (now) => {
      const wait = QuotaRule.delay(windows, at(now))
      if (wait > 0) return Effect.fail(new QuotaFull({ retryAfter: Duration.millis(Math.ceil(wait)) }))
      memory.inFlight++
      return Effect.succeed(place)
    }),
    refused: (wait) =>
      Effect.map(monotonicMillis, (now) => {
        const millis = QuotaRule.refusalWait(wait)
        memory.blockedUntil = Math.max(memory.blockedUntil, now + millis)
        memory.add(now, QuotaRule.phantoms(windows, at(now), millis))
      }),
    calls: Effect.map(monotonicMillis, at),
  }
}

/**
 * Keeps the logs in this program's memory. What an earlier run used is not known to it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<QuotaStore> = Layer.sync(QuotaStore, () => {
  const logs = new Map<string, Memory>()
  return {
    open: ({ name, windows }) =>
      Effect.sync(() => {
        const memory = logs.get(name) ?? new Memory()
        logs.set(name, memory)
        return openMemory(memory, windows)
      }),
  }
})
