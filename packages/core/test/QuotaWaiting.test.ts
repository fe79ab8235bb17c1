import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import { MachineActionId } from "@live-response/core/MachineAction"
import * as Quota from "@live-response/core/Quota"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import { QuotaFull, QuotaStoreError, Unusable } from "@live-response/core/QuotaStoreError"
import * as Timing from "@live-response/core/Timing"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** How the store answers an `acquire`. */
const Answer = Schema.Literals(["by the rule", "by the rule", "by the rule", "unusable", "defect"])

const unusable = new QuotaStoreError({
  store: "test",
  reason: new Unusable({ description: "disk full" }),
  advice: "free some space",
})

/** A store with `limit` permits that counts what happens to them. A permit that is ended twice makes the difference negative. */
const makeStore = (limit: number, answers: ReadonlyArray<typeof Answer.Type>, yields: number) => {
  const pause = Effect.forEach(Array.from({ length: yields }), () => Effect.yieldNow, { discard: true })
  const seen = { taken: 0, ended: 0, atOnce: 0, takes: 0 }
  const end = Effect.andThen(
    pause,
    Effect.sync(() => void seen.ended++),
  )
  const acquire = Effect.suspend((): Effect.Effect<QuotaStore.Permit, QuotaFull | QuotaStoreError> => {
    const answer = answers[seen.takes++] ?? "by the rule"
    if (answer === "unusable") return Effect.fail(unusable)
    if (answer === "defect") return Effect.die("the store is broken")
    if (seen.taken - seen.ended >= limit) {
      return Effect.fail(new QuotaFull({ retryAfter: Duration.millis(1) }))
    }
    seen.taken++
    seen.atOnce = Math.max(seen.atOnce, seen.taken - seen.ended)
    return Effect.succeed({ answered: end, release: end })
  })
  const log: QuotaStore.CallLog = {
    // One step, as in a transaction.
    acquire: Effect.andThen(pause, acquire),
    throttled: () => Effect.void,
    status: Effect.succeed({ windows: [], nextSlot: Duration.zero }),
    calls: Effect.succeed({ now: 0, inFlight: 0, stamps: [], blockedUntil: 0 }),
  }
  return { seen, layer: Layer.succeed(QuotaStore.QuotaStore, { open: () => Effect.succeed(log) }) }
}

const idOfNone = Schema.decodeSync(MachineActionId)("988cc94e-7a8f-4b28-ab65-54970c5d5018")

/** The stores of these tests decide alone. */
const windows = [QuotaRule.Window.make({ limit: 1_000_000, duration: Duration.minutes(1) })]

const quotaOver = (layer: Layer.Layer<QuotaStore.QuotaStore>) =>
  Quota.make({ name: "test", windows }).pipe(Effect.provide(layer))

const quiet = Effect.provide(Logger.layer([]))

const afterYields = <A, E, R>(count: number, effect: Effect.Effect<A, E, R>) =>
  Effect.andThen(
    Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true }),
    effect,
  )

describe("Quota with waiting calls", () => {
  const callers = Schema.Array(
    Schema.Struct({
      comes: between(0, 12),
      takes: between(0, 4),
      priority: Schema.Boolean,
      leaves: Schema.UndefinedOr(between(0, 40)),
    }),
  )

  it.effect.prop(
    "serves or fails every waiting call, and ends every permit once, whatever is interrupted or fails between two steps",
    [callers, Schema.Array(Answer), between(1, 3), between(0, 3), between(5, 40)],
    ([calls, answers, limit, yields, steps]) =>
      Effect.gen(function* () {
        const { layer, seen } = makeStore(limit, answers, yields)
        const quota = yield* quotaOver(layer)
        const fewest = { waiting: 0 }
        const look = Effect.map(quota.status, ({ waiting }) => {
          fewest.waiting = Math.min(fewest.waiting, waiting)
        })
        const batch = Effect.gen(function* () {
          const fibers = yield* Effect.forEach(calls, ({ comes, priority, takes }) =>
            Effect.forkChild(afterYields(comes, quota.withPermit(afterYields(takes, look), { priority }))),
          )
          yield* Effect.forEach(calls, ({ comes, leaves }, i) => {
            const fiber = fibers[i]
            return leaves === undefined || fiber === undefined
              ? Effect.void
              : Effect.forkChild(afterYields(comes + leaves, Fiber.interrupt(fiber)))
          })
          yield* Effect.forkChild(Effect.repeat(look, { times: 100 }))
          yield* Effect.sleep("10 seconds")
          return fibers.map((fiber) => fiber.pollUnsafe())
        })
        const exits = yield* inVirtualTime(batch, "1 minute")
        for (const [i, exit] of exits.entries()) {
          assert.isDefined(exit, `call ${i} waits forever`)
          if (exit === undefined || Exit.isSuccess(exit)) continue
          const isExpected =
            calls[i]?.leaves !== undefined || answers.some((answer) => answer === "unusable" || answer === "defect")
          assert.isTrue(isExpected, Cause.pretty(exit.cause))
        }
        assert.strictEqual((yield* quota.status).waiting, 0)
        assert.isAtLeast(fewest.waiting, 0)
        assert.strictEqual(seen.ended, seen.taken)
        assert.isAtMost(seen.atOnce, limit)
        // The store is not used any more once no call waits.
        const { takes } = seen
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(seen.takes, takes)
      }).pipe(Effect.scoped, quiet, Effect.provideService(Scheduler.MaxOpsBeforeYield, steps)),
    { arbitrary: { runs: 400, size: 12 } },
  )

  it.effect("fails the waiting calls with a defect of the store, logs it, and serves later calls", () =>
    Effect.gen(function* () {
      const errors: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => errors.push(`${logLevel} ${String(message)}`))
      const { layer, seen } = makeStore(5, ["defect"], 0)
      yield* Effect.gen(function* () {
        const quota = yield* quotaOver(layer)
        const calls = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(quota.withPermit(Effect.void)))
        yield* TestClock.adjust("1 milli")
        for (const call of calls) {
          const exit = call.pollUnsafe()
          assert.include(String(exit), "the store is broken")
        }
        assert.strictEqual(yield* inVirtualTime(quota.withPermit(Effect.succeed("served"))), "served")
      }).pipe(Effect.provide(Logger.layer([logger])))
      assert.strictEqual(errors.length, 1)
      assert.match(errors[0] ?? "", /^Error the quota test failed unexpectedly/)
      assert.strictEqual(seen.ended, seen.taken)
    }),
  )

  it.effect("fails the waiting calls with a defect of the schedule", () =>
    Effect.gen(function* () {
      const { layer } = makeStore(1, [], 0)

      const broken = Schedule.modifyDelay(Schedule.forever, () => Effect.die("the schedule is broken"))
      const quota = yield* quotaOver(layer).pipe(
        Effect.provideService(Timing.Timing, {
          ...Timing.defaults,
          quota: Schedule.setInputType<QuotaFull>()(broken),
        }),
      )
      yield* Effect.forkChild(quota.withPermit(Effect.never))
      yield* TestClock.adjust("1 milli")
      const waiting = yield* Effect.forkChild(quota.withPermit(Effect.void))
      yield* TestClock.adjust("1 milli")
      assert.include(String(waiting.pollUnsafe()), "the schedule is broken")
    }).pipe(Effect.scoped, quiet),
  )

  it.effect("interrupts the waiting calls when its scope closes, and every later call", () =>
    Effect.gen(function* () {
      const { layer } = makeStore(0, [], 0)
      const scope = yield* Scope.make()
      const quota = yield* Scope.provide(quotaOver(layer), scope)
      const waiting = yield* Effect.forkChild(quota.withPermit(Effect.void))
      yield* TestClock.adjust("1 milli")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 milli")
      const late = yield* Effect.forkChild(quota.withPermit(Effect.void))
      yield* TestClock.adjust("1 milli")
      for (const call of [waiting, late]) {
        const exit = call.pollUnsafe()
        assert.isTrue(exit !== undefined && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      }
    }),
  )
})

describe("Quota after its scope has closed", () => {
  it.effect.each(["at once", "later"])("fails calls without waiting if the scope was closed %s", (when) =>
    Effect.gen(function* () {
      const { layer } = makeStore(1, [], 0)
      const scope = yield* Scope.make()
      const quota = yield* Scope.provide(quotaOver(layer), scope)
      if (when === "later") yield* TestClock.adjust("1 milli")
      yield* Scope.close(scope, Exit.void)
      const late = yield* Effect.forkChild(quota.withPermit(Effect.void))
      yield* TestClock.adjust("1 milli")
      const other = yield* Effect.forkChild(
        Effect.flatMap(quota.ofApi({ name: "other", windows }), (other) => other.withPermit(Effect.void)),
      )
      yield* TestClock.adjust("1 milli")
      yield* TestClock.adjust("1 milli")
      assert.isDefined(late.pollUnsafe())
      assert.isDefined(other.pollUnsafe())
    }),
  )
})

describe("The quotas of DefenderApi", () => {
  /** A store where one log takes a second to open, and fails the first time. */
  const failingOnce = (opens: Array<string>) =>
    Layer.effect(
      QuotaStore.QuotaStore,
      Effect.map(QuotaStore.QuotaStore, (store) => ({
        open: Effect.fnUntraced(function* (options) {
          if (!options.name.endsWith("GetMachineAction")) return yield* store.open(options)
          opens.push(options.name)
          yield* Effect.sleep("1 second")
          return yield* opens.length === 1 ? unusable : store.open(options)
        }),
      })),
    ).pipe(Layer.provide(QuotaStore.layerMemory))

  it.effect("open a log again that failed to open, once for all calls at the same time", () => {
    const opens: Array<string> = []
    const layer = DefenderApi.layer({ base: "http://127.0.0.1" }).pipe(
      Layer.provide([Simulator.layerHttpClient, Quota.layer().pipe(Layer.provide(failingOnce(opens)))]),
      Layer.provide(Credential.layerToken(Redacted.make("token"))),
      Layer.provide(Simulator.layer({ tokens: ["token"] })),
    )
    return Effect.gen(function* () {
      const api = yield* DefenderApi.DefenderApi
      const together = Effect.all(
        Array.from({ length: 5 }, () => Effect.flip(api.get(idOfNone))),
        { concurrency: "unbounded" },
      )
      const first = yield* inVirtualTime(together)
      assert.deepStrictEqual(
        first.map(({ _tag }) => _tag),
        Array.from({ length: 5 }, () => "QuotaStoreError"),
      )
      assert.strictEqual(opens.length, 1)
      const second = yield* inVirtualTime(together)
      assert.deepStrictEqual(
        second.map((error) => (error._tag === "DefenderError" ? error.reason._tag : error._tag)),
        Array.from({ length: 5 }, () => "NotFound"),
      )
      yield* inVirtualTime(together)
      assert.strictEqual(opens.length, 2)
    }).pipe(Effect.provide(layer))
  })
})
