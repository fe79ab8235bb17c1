import { assert, describe, it } from "@effect/vitest"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const anyWindows = Schema.NonEmptyArray(Schema.Struct({ limit: between(1, 6), millis: between(1, 300) }))
const gaps = Schema.Array(between(0, 80))

const toWindows = (windows: ReadonlyArray<{ readonly limit: number; readonly millis: number }>) =>
  windows.map(({ limit, millis }) => QuotaRule.Window.make({ limit, duration: Duration.millis(millis) }))

/** Ascending instants. */
const toStamps = (gaps: ReadonlyArray<number>) => {
  let at = 0
  return gaps.map((gap) => (at += gap))
}

const linkWindows = toWindows([
  { limit: 100, millis: 60_000 },
  { limit: 1500, millis: 3_600_000 },
])

const idle: QuotaRule.Calls = { now: 0, inFlight: 0, stamps: [], blockedUntil: 0 }

describe("QuotaRule.delay", () => {
  it.effect.prop(
    "is the shortest wait after which every window allows a call",
    [anyWindows, gaps, between(0, 8), between(0, 200)],
    ([anyWindows, gaps, inFlight, since]) =>
      Effect.sync(() => {
        const windows = toWindows(anyWindows)
        const stamps = toStamps(gaps)
        const now = (stamps.at(-1) ?? 0) + since
        // The rule, tried for each millisecond. Calls in flight are answered now at best.
        const answered = [...stamps, ...Array.from({ length: inFlight }, () => now)]
        const free = (at: number) =>
          anyWindows.every(({ limit, millis }) => answered.filter((stamp) => stamp > at - millis).length < limit)
        let wait = 0
        while (!free(now + wait)) wait++
        assert.strictEqual(QuotaRule.delay(windows, { now, inFlight, stamps, blockedUntil: 0 }), wait)
      }),
    { arbitrary: { runs: 500 } },
  )
})

describe("QuotaRule.forecast", () => {
  it.effect.prop(
    "is the start of the last call, if each starts as early as it may and is answered at once",
    [anyWindows, gaps, between(0, 4), between(0, 200), between(1, 40)],
    ([anyWindows, gaps, inFlight, since, calls]) =>
      Effect.sync(() => {
        const windows = toWindows(anyWindows)
        const stamps = toStamps(gaps)
        const now = (stamps.at(-1) ?? 0) + since
        const log = [...stamps, ...Array.from({ length: inFlight }, () => now)]
        let at = now
        for (let call = 0; call < calls; call++) {
          at += QuotaRule.delay(windows, { now: at, inFlight: 0, stamps: log, blockedUntil: 0 })
          log.push(at)
        }
        assert.strictEqual(QuotaRule.forecast(windows, { now, inFlight, stamps, blockedUntil: 0 }, calls), at - now)
      }),
    { arbitrary: { runs: 300 } },
  )

  it.effect("follows from both windows of Microsoft's limits", () =>
    Effect.sync(() => {
      for (const calls of [1, 100, 101, 200, 1500, 1501, 3000, 10_000, 10_001]) {
        const seconds = 3600 * Math.floor((calls - 1) / 1500) + 60 * Math.floor(((calls - 1) % 1500) / 100)
        assert.strictEqual(QuotaRule.forecast(linkWindows, idle, calls), seconds * 1000, `${calls} calls`)
      }
      assert.strictEqual(QuotaRule.forecast(linkWindows, idle, 0), 0)
    }),
  )
})

describe("QuotaRule.status", () => {
  it.effect("has for each window what is used, what is free, and when the next call may start", () =>
    Effect.sync(() => {
      const windows = toWindows([
        { limit: 3, millis: 1000 },
        { limit: 5, millis: 10_000 },
      ])
      const calls = { now: 10_000, inFlight: 1, stamps: [4000, 9500, 9800], blockedUntil: 0 }
      const { nextSlot, ...status } = QuotaRule.status(windows, calls)
      assert.deepStrictEqual(
        status.windows.map(({ free, nextSlot, used }) => [used, free, Duration.toMillis(nextSlot)]),
        [
          [3, 0, 500],
          [4, 1, 0],
        ],
      )
      assert.strictEqual(Duration.toMillis(nextSlot), 500)
      const blocked = QuotaRule.status(windows, { ...calls, blockedUntil: 12_000 })
      assert.strictEqual(Duration.toMillis(blocked.nextSlot), 2000)
    }),
  )
})

describe("QuotaRule.inferredCalls", () => {
  const { inferredCalls } = QuotaRule
  const stamps = Array.from({ length: 60 }, (_, i) => 3_590_000 + i * 100)
  const now = 3_600_000
  const calls = { now, inFlight: 5, stamps, blockedUntil: 0 }

  it.effect("fill the minute after a wait of less than a minute", () =>
    Effect.sync(() => {
      const others = inferredCalls(linkWindows, calls, 8000)
      assert.strictEqual(others.length, 100 - 60 - 5)
      // The first one leaves the window when the server says.
      assert.strictEqual((others[0] ?? 0) + 60_000, now + 8000)
    }),
  )

  it.effect("fill the hour after a wait of more than a minute", () =>
    Effect.sync(() => {
      const others = inferredCalls(linkWindows, calls, 61_000)
      assert.strictEqual(others.length, 1500 - 60 - 5)
      assert.strictEqual((others[0] ?? 0) + 3_600_000, now + 61_000)
      const day = inferredCalls(linkWindows, calls, 86_400_000)
      assert.deepStrictEqual(new Set(day), new Set([now]))
    }),
  )

  it.effect("do not use up a share of the hour that is not above the limit of the minute", () =>
    Effect.sync(() => {
      const windows = QuotaRule.windowsOf({ perMinute: 100, perHour: 50 })
      const others = inferredCalls(windows, { now, inFlight: 0, stamps: [], blockedUntil: 0 }, 8000)
      // A permit is free after the wait, and the others follow evenly.
      const after = { now, inFlight: 0, stamps: others, blockedUntil: 0 }
      assert.closeTo(QuotaRule.delay(windows, after), 8000, 1e-6)
      assert.isBelow(QuotaRule.forecast(windows, after, 2), 2 * 60_000)
    }),
  )

  it.effect("are none where the log is full already", () =>
    Effect.sync(() => assert.deepStrictEqual(inferredCalls(linkWindows, { ...calls, inFlight: 40 }, 8000), [])),
  )

  it.effect.prop(
    "fill the log until the time that the server says",
    [anyWindows, gaps, between(0, 8), between(0, 200), between(1, 400)],
    ([anyWindows, gaps, inFlight, since, wait]) =>
      Effect.sync(() => {
        const windows = toWindows(anyWindows)
        const stamps = toStamps(gaps)
        const now = (stamps.at(-1) ?? 0) + since
        const calls = { now, inFlight, stamps, blockedUntil: 0 }
        const others = inferredCalls(windows, calls, wait)
        assert.deepStrictEqual(
          others,
          others.toSorted((a, b) => a - b),
        )
        for (const at of others) assert.isAtMost(at, now)
        const full = QuotaRule.fullWindow(windows, wait)
        const after = { ...calls, stamps: [...stamps, ...others].toSorted((a, b) => a - b) }
        const status = QuotaRule.status(windows, after).windows.find(({ duration }) => duration === full?.duration)
        assert.strictEqual(status?.free, 0)
        // Calls of this program have stamps of their own, so the wait is exact only without them.
        if (others.length > 0 && inFlight + stamps.length === 0) {
          const millis = Duration.toMillis(status?.duration ?? 0)
          assert.closeTo(
            QuotaRule.delay(
              windows.filter((window) => window === full),
              after,
            ),
            Math.min(wait, millis),
            1e-6,
          )
        }
      }),
    { arbitrary: { runs: 500 } },
  )
})

describe("QuotaRule.WindowFromString", () => {
  const decode = Schema.decodeUnknownEffect(QuotaRule.WindowFromString)

  it.effect.each([
    ["100/1 minute", 100, 60],
    ["1500/1 hour", 1500, 3600],
    [" 20 / 2.5 seconds ", 20, 2.5],
    ["1/3 days", 1, 259_200],
  ] as const)("reads %s", ([text, limit, seconds]) =>
    Effect.gen(function* () {
      const window = yield* decode(text)
      assert.deepStrictEqual([window.limit, Duration.toSeconds(window.duration)], [limit, seconds])
      assert.deepStrictEqual(yield* decode(yield* Schema.encodeEffect(QuotaRule.WindowFromString)(window)), window)
    }),
  )

  it.effect.each([
    "",
    "100",
    "100/",
    "100/minute",
    "0/1 minute",
    "10/0 seconds",
    "-1/1 minute",
    "1/1 fortnight",
    "1.5/1 hour",
  ])("does not read %s", (text) => Effect.flip(decode(text)))
})
