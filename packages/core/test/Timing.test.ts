import { assert, describe, it } from "@effect/vitest"
import * as DefenderError from "@live-response/core/DefenderError"
import { QuotaFull } from "@live-response/core/QuotaStoreError"
import * as Timing from "@live-response/core/Timing"
import * as TransferError from "@live-response/core/TransferError"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

/** Fails until the schedule gives up. Returns the delays between the attempts, in milliseconds. */
const delaysOf = <E>(policy: Schedule.Schedule<unknown, E>, failure: (attempt: number) => E) =>
  Effect.gen(function* () {
    const at: Array<number> = []
    const attempt = Effect.gen(function* () {
      at.push(yield* Clock.currentTimeMillis)
      return yield* Effect.fail(failure(at.length))
    })
    yield* inVirtualTime(Effect.ignore(Effect.retry(attempt, policy)), "30 days")
    return at.slice(1).map((time, i) => time - (at[i] ?? 0))
  })

const tooMany = (retryAfter?: Duration.Input) =>
  new DefenderError.DefenderError({
    operation: "link",
    reason: new DefenderError.TooManyRequests({
      status: 429,
      ...(retryAfter === undefined ? {} : { retryAfter: Duration.fromInputUnsafe(retryAfter) }),
    }),
  })
const unavailable = new DefenderError.DefenderError({
  operation: "link",
  reason: new DefenderError.Unavailable({ status: 503 }),
})
const broken = new TransferError.TransferError({
  result: "a",
  reason: new TransferError.Broken({ offset: 0, description: "cut" }),
})

/** Each delay is about this many seconds: the jitter is a fifth. */
const assertAbout = (delays: ReadonlyArray<number>, seconds: ReadonlyArray<number>) => {
  assert.strictEqual(delays.length, seconds.length, `${delays}`)
  for (const [i, second] of seconds.entries()) assert.closeTo(delays[i] ?? 0, second * 1000, second * 201, `${delays}`)
}

describe("Timing", () => {
  it.effect("retries an API call after a second, doubled up to half a minute, eight times", () =>
    Effect.gen(function* () {
      assertAbout(yield* delaysOf(Timing.defaults.api, () => unavailable), [1, 2, 4, 8, 16, 30, 30, 30])
    }),
  )

  it.effect("resumes a transfer after a second, doubled, five times", () =>
    Effect.gen(function* () {
      assertAbout(yield* delaysOf(Timing.defaults.transfer, () => broken), [1, 2, 4, 8, 16])
    }),
  )

  it.effect("spreads the retries of calls that failed together", () =>
    Effect.gen(function* () {
      const first = yield* delaysOf(Timing.defaults.transfer, () => broken)
      const second = yield* delaysOf(Timing.defaults.transfer, () => broken)
      assert.notDeepEqual(first, second)
    }),
  )

  it.effect("renews a refused link at once, and once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* delaysOf(Timing.defaults.link, () => broken), [0])
    }),
  )

  it.effect("waits after a 429 without a hint five seconds, doubled up to five minutes, twenty times", () =>
    Effect.gen(function* () {
      const delays = yield* delaysOf(Timing.defaults.throttled, () => tooMany())
      assert.deepStrictEqual(
        delays.map((delay) => delay / 1000),
        [5, 10, 20, 40, 80, 160, ...Array.from({ length: 14 }, () => 300)],
      )
    }),
  )

  it.effect("waits after a 429 as long as the API asks for, an hour at most", () =>
    Effect.gen(function* () {
      const hints: ReadonlyArray<Duration.Input> = ["8 seconds", "1 second", "10 minutes", "59 minutes", "3 days"]
      const delays = yield* delaysOf(Timing.defaults.throttled, (attempt) => tooMany(hints[attempt - 1]))
      assert.deepStrictEqual(
        delays.slice(0, hints.length).map((delay) => delay / 1000),
        [8, 1, 600, 3540, 3600],
      )
      assert.strictEqual(delays.length, 20)
    }),
  )

  it.effect.each<{ readonly asks: Duration.Input; readonly delays: Array<number> }>([
    { asks: "1 day", delays: [3600] },
    { asks: "25 minutes", delays: [1500, 1500, 600] },
  ])("waits for an hour in all for a server in trouble that asks for $asks each time", ({ asks, delays }) =>
    Effect.gen(function* () {
      const busy = new TransferError.TransferError({
        result: "a",
        reason: new TransferError.Unavailable({ status: 503, retryAfter: Duration.fromInputUnsafe(asks) }),
      })
      const waited = yield* delaysOf(Timing.defaults.busy, () => busy)
      assert.deepStrictEqual(
        waited.map((delay) => delay / 1000),
        delays,
      )
    }),
  )

  it.effect("waits for the quota as long and as often as the quota says", () =>
    Effect.gen(function* () {
      const waits = Array.from({ length: 100 }, (_, i) => 100 + i)
      const delays = yield* delaysOf(
        Schedule.upTo(Timing.defaults.quota, { times: 100 }),
        (attempt) => new QuotaFull({ retryAfter: Duration.millis(waits[attempt - 1] ?? 0) }),
      )
      assert.deepStrictEqual(delays, waits)
    }),
  )

  it.effect("has defaults where nothing is provided", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Timing.Timing, Timing.defaults)
      assert.strictEqual(Duration.toSeconds(Timing.defaults.headTimeout), 60)
      assert.strictEqual(Duration.toSeconds(Timing.defaults.stallTimeout), 30)
    }),
  )

  it.effect("is replaced setting by setting", () =>
    Effect.gen(function* () {
      const policy = yield* Timing.Timing
      assert.strictEqual(policy.stallTimeout, "5 seconds")
      assert.strictEqual(policy.api, Timing.defaults.api)
      const delays = yield* delaysOf(policy.transfer, () => broken)
      assert.deepStrictEqual(delays, [10_000, 10_000])
    }).pipe(
      Effect.provide(
        Timing.layer({ transfer: Schedule.upTo(Schedule.spaced("10 seconds"), { times: 2 }) }).pipe(
          Layer.provide(Timing.layer({ stallTimeout: "5 seconds" })),
        ),
      ),
    ),
  )

  it.effect("is replaced around one effect, for the services that were built without it as well", () =>
    Effect.gen(function* () {
      const settings = yield* Timing.perCall
      assert.strictEqual(yield* settings, Timing.defaults)
      const patient = Timing.with({ giveUpAfter: "1 hour" })
      assert.strictEqual((yield* patient(settings)).giveUpAfter, "1 hour")
      assert.strictEqual((yield* patient(settings)).api, Timing.defaults.api)
      assert.strictEqual((yield* patient(Timing.Timing)).giveUpAfter, "1 hour")
      const inner = yield* settings.pipe(
        Timing.with({ giveUpAfter: "1 minute" }),
        Timing.with({ stallTimeout: 5 }),
        patient,
      )
      assert.deepInclude(inner, { giveUpAfter: "1 minute", stallTimeout: 5 })
      assert.strictEqual(yield* settings, Timing.defaults)
    }),
  )

  it.effect("keeps the settings of the layer that `with` does not replace", () =>
    Effect.gen(function* () {
      const settings = yield* Timing.perCall.pipe(Effect.provide(Timing.layer({ stallTimeout: "5 seconds" })))
      const current = yield* Timing.with(settings, { giveUpAfter: "1 hour" })
      assert.deepInclude(current, { giveUpAfter: "1 hour", stallTimeout: "5 seconds" })
    }),
  )
})

describe("a wait as people type it", () => {
  const millis = (text: string) =>
    Option.getOrUndefined(Option.map(Schema.decodeOption(Timing.WaitFromString)(text), Duration.toMillis))

  it.each([
    ["5s", 5000],
    ["90m", 5_400_000],
    ["2h", 7_200_000],
    ["1w", 604_800_000],
    ["5 minutes", 300_000],
    ["200 millis", 200],
  ])("is %s", (text, expected) => assert.strictEqual(millis(text), expected))

  it.each(["", "5", "0s", "0 seconds", "-1s", "8d", "9".repeat(400) + "w", "Infinity", "1.5h", "soon"])(
    "is not %s",
    (text) => assert.isUndefined(millis(text)),
  )
})
