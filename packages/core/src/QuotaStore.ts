/**
 * Stores the logs of calls that quotas count by, in memory or shared by several programs.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { monotonicMillis } from "./internal/monotonic.ts"
import { only } from "./internal/scheduleCombinators.ts"
import { upperBound } from "./internal/upperBound.ts"
import * as QuotaRule from "./QuotaRule.ts"
import { QuotaFull, QuotaStoreError } from "./QuotaStoreError.ts"
import { Timing } from "./Timing.ts"

/**
 * The permit for one call. Its holder uses exactly one of the two effects, once.
 *
 * **Gotchas**
 *
 * A permit that is neither answered nor released counts as in flight until its lease has expired, and as answered from
 * then on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Permit {
  /** The answer has arrived: the call counts for a whole window from now on. */
  readonly answered: Effect.Effect<void, QuotaStoreError>

  /** No call was sent: it does not count. */
  readonly release: Effect.Effect<void, QuotaStoreError>
}

/**
 * One log of calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallLog {
  /** Acquires the permit for one call, or fails with the time to wait. */
  readonly acquire: Effect.Effect<Permit, QuotaFull | QuotaStoreError>

  /**
   * Records that the server throttled a call: none starts for this long, and the log adds the calls that others must have
   * made.
   *
   * **Details**
   *
   * `QuotaRule.inferredCalls` says which calls these are. A wait of zero adds them and blocks nothing. See
   * `QuotaRule.throttleWait` for the bounds of a wait.
   */
  readonly throttled: (wait: Duration.Duration) => Effect.Effect<void, QuotaStoreError>

  /** The state of the windows now. It costs no more than a permit, however many calls the windows have. */
  readonly status: Effect.Effect<QuotaRule.Status, QuotaStoreError>

  /** How often its status is read for metrics, at most. By default ten times a second. */
  readonly refreshEvery?: Duration.Duration | undefined

  /** What the log knows now. It reads every call of the longest window. */
  readonly calls: Effect.Effect<QuotaRule.Calls, QuotaStoreError>
}

/**
 * How to open a log of calls.
 *
 * @since 0.1.0
 * @category options
 */
export interface LogOptions {
  /** Programs that open the same name share the log. */
  readonly name: string

  readonly windows: ReadonlyArray<QuotaRule.Window>

  /**
   * The longest time that a call takes. A permit whose holder is gone counts as in flight until its lease has expired, and
   * as answered from then on.
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
 * Stores logs of calls.
 *
 * **When to use**
 *
 * `layerMemory` for one program that runs alone; `NodeQuotaStore.layer` for the programs of one machine; `RedisQuotaStore`
 * for programs on several machines.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result for the limits
 * @since 0.1.0
 * @category services
 */
export class QuotaStore extends Context.Service<QuotaStore, Service>()("@live-response/core/QuotaStore") {}

/**
 * Retries while the store does not answer, by `Timing.quotaStore`, and logs a warning at each retry.
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
 * How long a shared log stores answers: one day, or the longest window of the program that opened it where that is more.
 * Another program may have longer windows than this one.
 *
 * @since 0.1.0
 * @category options
 */
export const retention: Duration.Duration = Duration.days(1)

/** A log in memory, shared by all who open it. */
class Memory {
  inFlight = 0
  blockedUntil = 0
  stamps: Array<number> = []
  private span = 0

  /** Stores answers for the longest window of all who opened the log. */
  keepFor(span: number): void {
    this.span = Math.max(this.span, span)
  }

  add(now: number, stamps: ReadonlyArray<number>): void {
    const last = this.stamps.at(-1) ?? -Infinity
    const isSorted = stamps.every((stamp) => stamp >= last)
    for (const stamp of stamps) this.stamps.push(stamp)
    if (!isSorted) this.stamps.sort((a, b) => a - b)
    // Drops half of them at a time, so that copying costs no more than the calls dropped.
    const expired = upperBound(this.stamps, now - this.span)
    if (expired * 2 > this.stamps.length) this.stamps = this.stamps.slice(expired)
  }
}

/** Uses the monotonic clock: setting the system clock neither revives calls nor expires them. */
const openMemory = (memory: Memory, windows: ReadonlyArray<QuotaRule.Window>): CallLog => {
  const at = (now: number): QuotaRule.Calls => ({
    now,
    inFlight: memory.inFlight,
    stamps: memory.stamps,
    blockedUntil: memory.blockedUntil,
  })
  memory.keepFor(QuotaRule.longest(windows))

  const permit: Permit = {
    answered: Effect.map(monotonicMillis, (now) => {
      memory.inFlight--
      memory.add(now, [now])
    }),
    release: Effect.sync(() => {
      memory.inFlight--
    }),
  }

  return {
    acquire: Effect.flatMap(monotonicMillis, (now) => {
      const wait = QuotaRule.delay(windows, at(now))
      if (wait > 0) return Effect.fail(new QuotaFull({ retryAfter: Duration.millis(Math.ceil(wait)) }))
      memory.inFlight++
      return Effect.succeed(permit)
    }),
    throttled: (wait) =>
      Effect.map(monotonicMillis, (now) => {
        const millis = QuotaRule.throttleWait(wait)
        memory.blockedUntil = Math.max(memory.blockedUntil, now + millis)
        memory.add(now, QuotaRule.inferredCalls(windows, at(now), millis))
      }),
    status: Effect.map(monotonicMillis, (now) => QuotaRule.status(windows, at(now))),
    calls: Effect.map(monotonicMillis, at),
  }
}

/**
 * A log in the memory of this program, which nothing else shares.
 *
 * **Details**
 *
 * It goes by the monotonic clock: setting the clock of the machine neither revives calls nor expires them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const memoryLog = (windows: ReadonlyArray<QuotaRule.Window>): CallLog => openMemory(new Memory(), windows)

/**
 * Stores the logs in the memory of this program.
 *
 * **Gotchas**
 *
 * A restarted program knows nothing of the calls of the earlier run, so the API may throttle its first calls.
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
