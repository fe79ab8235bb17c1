/**
 * The log of calls that a quota is kept by.
 *
 * The rule: a call may start while, for each window, (calls in flight) + (answers in the last window) < limit. A call
 * is stamped when its answer arrives, so the rule holds without synchronised clocks: whenever the server counted the
 * call, it was earlier than the stamp.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/**
 * So many calls in any span of this duration.
 *
 * @since 0.1.0
 * @category models
 */
export class Window extends Schema.Class<Window>("@live-response/core/QuotaStore/Window")({
  limit: Schema.Int.check(Schema.isGreaterThan(0)),
  duration: Schema.DurationFromMillis,
}) {}

/**
 * No call may start now. `retryAfter` is the shortest time after which one may: ask again then.
 *
 * @since 0.1.0
 * @category errors
 */
export class QuotaFull extends Schema.TaggedError<QuotaFull>("@live-response/core/QuotaStore/QuotaFull")("QuotaFull", {
  retryAfter: Schema.DurationFromMillis,
}) {}

/**
 * How one window stands. `used` counts calls in flight and answers in the last window.
 *
 * @since 0.1.0
 * @category models
 */
export interface WindowStatus {
  readonly limit: number
  readonly duration: Duration.Duration
  readonly used: number
}

/**
 * How a quota stands: each window, and after how long the next call may start.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly windows: ReadonlyArray<WindowStatus>
  readonly nextSlot: Duration.Duration
}

/**
 * One log of calls.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallLog {
  /** Takes a place for one call, or fails with the time to wait. */
  readonly take: Effect.Effect<void, QuotaFull>

  /** The answer of a call is here: its place stays taken for each window from now on. */
  readonly answered: Effect.Effect<void>

  /** A place that was taken was not used: no call was sent. */
  readonly giveBack: Effect.Effect<void>

  /** The server refused a call: none starts for this long. */
  readonly block: (duration: Duration.Duration) => Effect.Effect<void>

  /** How it stands now. */
  readonly status: Effect.Effect<Status>

  /** How long it takes until the last of so many further calls may start, if nobody else calls. */
  readonly forecast: (calls: number) => Effect.Effect<Duration.Duration>
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** Opens the log of calls with this name. The same name is the same log. */
  readonly open: (name: string, windows: ReadonlyArray<Window>) => Effect.Effect<CallLog>
}

/**
 * Where logs of calls are kept: in memory, or where several programs share them.
 *
 * @since 0.1.0
 * @category services
 */
export class QuotaStore extends Context.Service<QuotaStore, Service>()("@live-response/core/QuotaStore") {}

/**
 * The arithmetic of the rule, apart from any clock and any store. `stamps` are the instants of answers in ascending
 * order, all in milliseconds. Gives the time to wait, 0 where a call may start.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const delay = (
  now: number,
  windows: ReadonlyArray<Window>,
  inFlight: number,
  stamps: ReadonlyArray<number>,
): number => {
  let wait = 0
  for (const window of windows) {
    const millis = Duration.toMillis(window.duration)
    const first = firstAfter(stamps, now - millis)
    const excess = inFlight + (stamps.length - first) - window.limit
    if (excess < 0) continue
    const mustLeave = stamps[first + excess]
    // Where calls in flight fill the window, the earliest of them answers now at best, and leaves a whole window later.
    wait = Math.max(wait, mustLeave === undefined ? millis : mustLeave + millis - now)
  }
  return wait
}

/** Index of the first stamp that is later than `instant`. */
const firstAfter = (stamps: ReadonlyArray<number>, instant: number): number => {
  let low = 0
  let high = stamps.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((stamps[middle] ?? Infinity) <= instant) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * The arithmetic of a forecast: milliseconds until the last of `calls` further calls may start, if each starts as early
 * as it may and is answered at once.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const forecast = (
  now: number,
  windows: ReadonlyArray<Window>,
  inFlight: number,
  stamps: ReadonlyArray<number>,
  calls: number,
): number => {
  const longest = Math.max(...windows.map((window) => Duration.toMillis(window.duration)))
  let log = [...stamps, ...Array.from({ length: inFlight }, () => now)]
  let at = now
  for (let left = calls; left > 0;) {
    at += delay(at, windows, 0, log)
    log = log.slice(firstAfter(log, at - longest))
    const free = windows.map(
      ({ duration, limit }) => limit - (log.length - firstAfter(log, at - Duration.toMillis(duration))),
    )
    const burst = Math.min(left, ...free)
    for (let i = 0; i < burst; i++) log.push(at)
    left -= burst
  }
  return at - now
}

const makeMemoryLog = (windows: ReadonlyArray<Window>): CallLog => {
  const longest = Math.max(...windows.map((window) => Duration.toMillis(window.duration)))
  let stamps: Array<number> = []
  let inFlight = 0
  let blockedUntil = 0

  // Monotonic, so that a clock that is set does not bring calls back or let them all go.
  const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e6)
  const wait = (at: number) => Math.max(blockedUntil - at, delay(at, windows, inFlight, stamps))

  return {
    take: Effect.flatMap(now, (at) => {
      const millis = wait(at)
      if (millis > 0) return Effect.fail(new QuotaFull({ retryAfter: Duration.millis(Math.ceil(millis)) }))
      inFlight++
      return Effect.void
    }),
    answered: Effect.map(now, (at) => {
      inFlight--
      stamps.push(at)
      const expired = firstAfter(stamps, at - longest)
      if (expired * 2 > stamps.length) stamps = stamps.slice(expired)
    }),
    giveBack: Effect.sync(() => {
      inFlight--
    }),
    block: (duration) =>
      Effect.map(now, (at) => {
        blockedUntil = Math.max(blockedUntil, at + Duration.toMillis(duration))
      }),
    status: Effect.map(now, (at) => ({
      windows: windows.map(({ duration, limit }) => ({
        limit,
        duration,
        used: inFlight + stamps.length - firstAfter(stamps, at - Duration.toMillis(duration)),
      })),
      nextSlot: Duration.millis(Math.max(0, wait(at))),
    })),
    forecast: (calls) =>
      Effect.map(now, (at) => {
        const blocked = Math.max(0, blockedUntil - at)
        return Duration.millis(blocked + forecast(at + blocked, windows, inFlight, stamps, calls))
      }),
  }
}

/**
 * Keeps the logs in this program's memory. What an earlier run used is not known to it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory: Layer.Layer<QuotaStore> = Layer.sync(QuotaStore, () => {
  const logs = new Map<string, CallLog>()
  return {
    open: (name, windows) =>
      Effect.sync(() => {
        const log = logs.get(name) ?? makeMemoryLog(windows)
        logs.set(name, log)
        return log
      }),
  }
})
