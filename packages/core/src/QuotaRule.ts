/**
 * The rule that keeps calls within an API's limits, as pure functions. An implementation of `QuotaStore` builds on it.
 *
 * A call may start while, for each window, (calls in flight) + (answers in the last window) < limit. A call is stamped when
 * its answer arrives. The server counted it before that stamp, and counts the next call after that call's start, so the
 * rule holds at any latency and without synchronised clocks.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as CallLimits from "./internal/callLimits.ts"
import { upperBound } from "./internal/upperBound.ts"
import { limits } from "./Session.ts"

const isSpan = Duration.between({ minimum: Duration.millis(1), maximum: Duration.days(366) })

/**
 * A rolling window: at most `limit` calls in any span of `duration`.
 *
 * **Details**
 *
 * `duration` is between a millisecond and 366 days.
 *
 * @since 0.1.0
 * @category models
 */
export class Window extends Schema.Class<Window>("@live-response/core/QuotaRule/Window")({
  limit: Schema.Int.check(Schema.isGreaterThan(0)),
  duration: Schema.DurationFromMillis.check(Schema.makeFilter(isSpan, { expected: "a millisecond to a year" })),
}) {}

/**
 * Microsoft's limits for the download link API: 100 calls a minute and 1,500 calls an hour.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
 * @since 0.1.0
 * @category options
 */
export const linkLimits = CallLimits.links

/**
 * The windows of an API with a limit a minute and a limit an hour.
 *
 * @since 0.1.0
 * @category options
 */
export const windowsOf = (limits: { readonly perMinute: number; readonly perHour: number }): ReadonlyArray<Window> => [
  Window.make({ limit: limits.perMinute, duration: Duration.minutes(1) }),
  Window.make({ limit: limits.perHour, duration: Duration.hours(1) }),
]

/**
 * The windows of the API that starts sessions: Microsoft's limit of ten a minute.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response
 * @since 0.1.0
 * @category options
 */
export const runWindows: ReadonlyArray<Window> = [
  Window.make({ limit: limits.perMinute, duration: Duration.minutes(1) }),
]

/**
 * The windows of the API that returns links of investigation packages: 2 calls a minute and 120 calls an hour.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri
 * @since 0.1.0
 * @category options
 */
export const packageWindows: ReadonlyArray<Window> = windowsOf(CallLimits.packageLinks)

/**
 * The windows of each other API: reading actions and machines, cancelling, and the library. 100 calls a minute and 1,500 calls
 * an hour.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/list-library-files
 * @since 0.1.0
 * @category options
 */
export const usualWindows: ReadonlyArray<Window> = windowsOf(CallLimits.otherCalls)

const notAWindow = (input: string) =>
  new SchemaIssue.InvalidValue({ message: 'Expected <limit>/<duration>, as in "100/1 minute"' }, input)

/**
 * Decodes a window from `<limit>/<duration>`, as configuration and command lines write it.
 *
 * **Details**
 *
 * The duration is a number and a unit: seconds, minutes, hours or days.
 *
 * @example
 * ```ts
 * import * as QuotaRule from "@live-response/core/QuotaRule"
 * import * as Schema from "effect/Schema"
 *
 * console.log(Schema.decodeSync(QuotaRule.WindowFromString)("100/1 minute").limit) // 100
 * ```
 *
 * @since 0.1.0
 * @category schemas
 */
export const WindowFromString = Schema.String.pipe(
  Schema.decodeTo(
    Window,
    SchemaTransformation.transformEffect({
      decode: (input: string) => {
        const [, limit, amount, unit] = /^\s*(\d+)\s*\/\s*(\d+(?:\.\d+)?)\s+([a-z]+)\s*$/.exec(input) ?? []
        const millis = millisOf[unit?.replace(/s$/, "") ?? ""]
        return limit === undefined || millis === undefined
          ? Effect.fail(notAWindow(input))
          : Effect.succeed({ limit: Number(limit), duration: Number(amount) * millis })
      },
      encode: ({ duration, limit }) => Effect.succeed(`${limit}/${duration / 1000} seconds`),
    }),
  ),
)

const millisOf: Readonly<Record<string, number>> = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/**
 * What a log knows of the calls at one instant.
 *
 * **Details**
 *
 * Instants are in milliseconds of the log's own clock. `stamps` are the instants of the answers, in ascending order; before
 * `blockedUntil` no call starts, because the server throttled one.
 *
 * @since 0.1.0
 * @category models
 */
export interface Calls {
  readonly now: number
  readonly inFlight: number
  readonly stamps: ReadonlyArray<number>
  readonly blockedUntil: number
}

/**
 * The state of one window.
 *
 * **Details**
 *
 * `used` counts calls in flight and answers in the last window. `nextSlot` is the time until this window allows the next
 * call: zero where it allows one now.
 *
 * @since 0.1.0
 * @category models
 */
export interface WindowStatus {
  readonly limit: number
  readonly duration: Duration.Duration
  readonly used: number
  readonly free: number
  readonly nextSlot: Duration.Duration
}

/**
 * The state of a quota: that of each window, and the time until all of them allow the next call.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly windows: ReadonlyArray<WindowStatus>
  readonly nextSlot: Duration.Duration
}

/**
 * What one window says of the next call: how many calls it counts, and the milliseconds until it allows one more.
 *
 * @since 0.1.0
 * @category models
 */
export interface WindowUse {
  readonly used: number
  readonly delay: number
}

/**
 * The use of a window that counts `used` calls.
 *
 * **When to use**
 *
 * In a store that counts the calls of a window without reading them. `stampAt` returns the stamp of an answer in the window,
 * by its position from the oldest; it is read only where the window is full.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const windowUse = (
  window: Window,
  {
    now,
    stampAt,
    used,
  }: {
    readonly now: number
    readonly used: number
    readonly stampAt: (position: number) => number | undefined
  },
): WindowUse => {
  const excess = used - window.limit
  if (excess < 0) return { used, delay: 0 }
  const millis = Duration.toMillis(window.duration)
  const mustLeave = stampAt(excess)
  // Calls in flight fill the window: the earliest of them is answered now at best, and leaves a whole window later.
  return { used, delay: mustLeave === undefined ? millis : mustLeave + millis - now }
}

const useOf =
  ({ inFlight, now, stamps }: Calls) =>
  (window: Window): WindowUse => {
    const first = upperBound(stamps, now - Duration.toMillis(window.duration))
    const used = inFlight + stamps.length - first
    return windowUse(window, { now, used, stampAt: (position) => stamps[first + position] })
  }

/**
 * Milliseconds until windows with these uses allow the next call, whose server wants no calls for `blockedFor` milliseconds.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const delayOf = (uses: ReadonlyArray<WindowUse>, blockedFor: number): number =>
  Math.max(0, blockedFor, ...uses.map(({ delay }) => delay))

/**
 * Milliseconds until the next call may start: 0 where it may start now.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const delay = (windows: ReadonlyArray<Window>, calls: Calls): number =>
  delayOf(windows.map(useOf(calls)), calls.blockedUntil - calls.now)

/**
 * The state of a quota whose windows have these uses, in the same order, and whose server wants no calls for `blockedFor`
 * milliseconds.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const statusOf = (
  windows: ReadonlyArray<Window>,
  uses: ReadonlyArray<WindowUse>,
  blockedFor: number,
): Status => ({
  windows: windows.map(({ duration, limit }, i) => {
    const { delay, used } = uses[i] ?? { used: 0, delay: 0 }
    return { limit, duration, used, free: Math.max(0, limit - used), nextSlot: Duration.millis(delay) }
  }),
  nextSlot: Duration.millis(delayOf(uses, blockedFor)),
})

/**
 * The state of the quota.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const status = (windows: ReadonlyArray<Window>, calls: Calls): Status =>
  statusOf(windows, windows.map(useOf(calls)), calls.blockedUntil - calls.now)

/**
 * The duration of the longest window in milliseconds. Older answers no longer count.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const longest = (windows: ReadonlyArray<Window>): number =>
  Math.max(...windows.map(({ duration }) => Duration.toMillis(duration)))

/**
 * Milliseconds until the last of `further` calls may start, if each starts as early as it may and is answered at once.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const forecast = (windows: ReadonlyArray<Window>, calls: Calls, further: number): number => {
  const stamps = [...calls.stamps, ...Array.from({ length: calls.inFlight }, () => calls.now)]
  const spans = windows.map(({ duration, limit }) => [limit, Duration.toMillis(duration)] as const)
  let at = Math.max(calls.now, further > 0 ? calls.blockedUntil : 0)
  for (let i = 0; i < further; i++) {
    for (const [limit, millis] of spans) at = Math.max(at, (stamps[stamps.length - limit] ?? -Infinity) + millis)
    stamps.push(at)
  }
  return at - calls.now
}

const longestWait = Duration.toMillis(Duration.days(366))

/**
 * How long a log blocks calls after a throttled one, in milliseconds: at least 0, at most 366 days.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const throttleWait = (wait: Duration.Duration): number =>
  Math.min(Math.max(0, Duration.toMillis(wait)), longestWait)

/** The windows whose limit is below that of each longer window. Another one is never full without a longer one being full too. */
const binding = (windows: ReadonlyArray<Window>): ReadonlyArray<Window> =>
  windows.filter(({ duration, limit }) =>
    windows.every((other) => Duration.isLessThanOrEqualTo(other.duration, duration) || other.limit > limit),
  )

/** Each inferred call is a row of a log. Microsoft's own limits are far smaller. */
const mostInferred = 10_000

/**
 * The window that a throttled call is about: the server asks to wait no longer than the duration of the full window.
 *
 * **Details**
 *
 * That is the shortest window that is at least as long as the wait, else the longest; `undefined` where there are no
 * windows. A window whose limit is not below that of a longer one does not count: the longer one is full first, and a share of
 * 50 calls an hour would be used up by the 100 calls that others made in a minute.
 *
 * Its limit is 10,000 at most, however large the window is, because a log adds a row for each call that it infers.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const fullWindow = (windows: ReadonlyArray<Window>, wait: number): Window | undefined => {
  const byDuration = binding(windows).toSorted((a, b) => Duration.toMillis(a.duration) - Duration.toMillis(b.duration))
  const full = byDuration.find(({ duration }) => Duration.toMillis(duration) >= wait) ?? byDuration.at(-1)
  return full === undefined || full.limit <= mostInferred ? full : Window.make({ ...full, limit: mostInferred })
}

/**
 * The calls of other programs that a throttled call proves: their stamps, as many as fill the full window.
 *
 * **When to use**
 *
 * The server throttled a call for `wait` milliseconds although the log counts fewer calls than the limit: another program
 * uses the same quota without this log.
 *
 * **Details**
 *
 * All that is known of these calls is that the first one leaves the window at the end of the wait. The stamps are spread
 * evenly from that instant until now.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const inferredCalls = (windows: ReadonlyArray<Window>, calls: Calls, wait: number): ReadonlyArray<number> => {
  const window = fullWindow(windows, wait)
  if (window === undefined) return []
  const missing = Math.max(0, window.limit - useOf(calls)(window).used)
  const span = Math.max(0, Duration.toMillis(window.duration) - wait)
  return Array.from({ length: missing }, (_, i) => calls.now - span * (1 - i / missing))
}
