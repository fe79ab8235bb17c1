/**
 * The rule by which calls keep within an API's limits, apart from any clock and any store: whoever keeps a log of calls
 * elsewhere than this library does builds on it.
 *
 * A call may start while, for each window, (calls in flight) + (answers in the last window) < limit. A call is stamped
 * when its answer arrives: whenever the server counted it, that was earlier than the stamp, and whenever it counts the
 * next one, that is later than its start. So the rule holds without synchronised clocks, and whatever the latency.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { upperBound } from "./internal/upperBound.ts"

const isSpan = Duration.between({ minimum: Duration.millis(1), maximum: Duration.days(366) })

/**
 * So many calls in any span of this duration, a millisecond to a year.
 *
 * @since 0.1.0
 * @category models
 */
export class Window extends Schema.Class<Window>("@live-response/core/QuotaRule/Window")({
  limit: Schema.Int.check(Schema.isGreaterThan(0)),
  duration: Schema.DurationFromMillis.check(Schema.makeFilter(isSpan, { expected: "a millisecond to a year" })),
}) {}

/**
 * The vendor's limits for download links: 100 calls a minute and 1,500 calls an hour.
 *
 * @see https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result
 * @since 0.1.0
 * @category options
 */
export const linkLimits = { perMinute: 100, perHour: 1500 } as const

const notAWindow = (input: string) =>
  new SchemaIssue.InvalidValue({ message: 'Expected <limit>/<duration>, as in "100/1 minute"' }, input)

/**
 * Decodes `<limit>/<duration>`, as configuration and command lines write a window.
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
 * What a log knows of the calls at one instant, all in milliseconds of its own clock: how many are in flight, when the
 * answers came (in ascending order), and until when the server wants none.
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
 * How one window stands. `used` counts calls in flight and answers in the last window; the next call may start after
 * `nextSlot`, as far as this window goes.
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
 * How a quota stands: each window, and after how long the next call may start.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  readonly windows: ReadonlyArray<WindowStatus>
  readonly nextSlot: Duration.Duration
}

const usedOf = (window: Window, { inFlight, now, stamps }: Calls): number =>
  inFlight + stamps.length - upperBound(stamps, now - Duration.toMillis(window.duration))

const windowDelay = (window: Window, calls: Calls): number => {
  const { now, stamps } = calls
  const millis = Duration.toMillis(window.duration)
  const excess = usedOf(window, calls) - window.limit
  if (excess < 0) return 0
  const mustLeave = stamps[upperBound(stamps, now - millis) + excess]
  // Where calls in flight fill the window, the earliest of them answers now at best, and leaves a whole window later.
  return mustLeave === undefined ? millis : mustLeave + millis - now
}

/**
 * Milliseconds until the next call may start, 0 where it may now.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const delay = (windows: ReadonlyArray<Window>, calls: Calls): number =>
  Math.max(0, calls.blockedUntil - calls.now, ...windows.map((window) => windowDelay(window, calls)))

/**
 * How the windows stand.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const status = (windows: ReadonlyArray<Window>, calls: Calls): Status => ({
  windows: windows.map((window) => {
    const used = usedOf(window, calls)
    return {
      limit: window.limit,
      duration: window.duration,
      used,
      free: Math.max(0, window.limit - used),
      nextSlot: Duration.millis(windowDelay(window, calls)),
    }
  }),
  nextSlot: Duration.millis(delay(windows, calls)),
})

/**
 * The longest of the windows, in milliseconds: an answer that is older no longer matters.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const longest = (windows: ReadonlyArray<Window>): number =>
  Math.max(...windows.map(({ duration }) => Duration.toMillis(duration)))

/**
 * Milliseconds until the last of so many further calls may start, if each starts as early as it may and is answered at
 * once.
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
 * How many milliseconds a log holds calls back after a refusal: none where the wait is none or negative, and a year at most.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const refusalWait = (wait: Duration.Duration): number =>
  Math.min(Math.max(0, Duration.toMillis(wait)), longestWait)

/**
 * Which window a refusal is about: the server asks to wait no longer than the window that is full.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const fullWindow = (windows: ReadonlyArray<Window>, wait: number): Window | undefined => {
  const byDuration = windows.toSorted((a, b) => Duration.toMillis(a.duration) - Duration.toMillis(b.duration))
  return byDuration.find(({ duration }) => Duration.toMillis(duration) >= wait) ?? byDuration.at(-1)
}

/**
 * The server refused a call for `wait` milliseconds although the log has room: somebody else calls. These are stamps for
 * the calls that it must have made, as many as the full window has room for. When it made them is not known, only that
 * the first leaves the window when the wait is over: they are spread evenly from there until now.
 *
 * @since 0.1.0
 * @category arithmetic
 */
export const phantoms = (windows: ReadonlyArray<Window>, calls: Calls, wait: number): ReadonlyArray<number> => {
  const window = fullWindow(windows, wait)
  if (window === undefined) return []
  const missing = Math.max(0, window.limit - usedOf(window, calls))
  const span = Math.max(0, Duration.toMillis(window.duration) - wait)
  return Array.from({ length: missing }, (_, i) => calls.now - span * (1 - i / missing))
}
