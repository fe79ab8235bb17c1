import { assert, describe, it } from "@effect/vitest"
import * as ActionFeed from "@live-response/core/ActionFeed"
import * as ActionWatch from "@live-response/core/ActionWatch"
import type { ApiError } from "@live-response/core/ApiError"
import { DefenderApi, layer as layerApi } from "@live-response/core/DefenderApi"
import * as DefenderError from "@live-response/core/DefenderError"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Timing from "@live-response/core/Timing"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { seededRandom } from "./support/seededRandom.ts"

const idAt = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const numberOf = (id: string) => Number(id.slice(-6))

const at = (seconds: number) => DateTime.formatIso(DateTime.makeUnsafe(seconds * 1000))

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

const ascending = (numbers: Iterable<number>) => [...numbers].toSorted((a, b) => a - b)

/** A session that was created, and changed, this many seconds after the epoch. */
const put = (n: number, status: string, created: number, updated = created) =>
  Effect.flatMap(Simulator.Simulator, (simulator) =>
    simulator.addAction({
      id: idAt(n),
      type: "LiveResponse",
      status,
      creationDateTimeUtc: at(created),
      lastUpdateDateTimeUtc: at(updated),
      commands: [],
    }),
  )

const Position = Schema.fromJsonString(ActionFeed.Position)

const beginning = `{"since":"${at(0)}","open":[]}`

const positionOf = Schema.decodeEffect(Position)

/** Reads the feed from a position in JSON, and handles each action as the test says. */
const follow = Effect.fnUntraced(function* (
  from: string,
  keep: (n: number) => Effect.Effect<void> = () => Effect.void,
  bufferSize?: number,
) {
  const emitted: Array<number> = []
  let position = from
  const feed = ActionFeed.stream({
    from: yield* positionOf(from),
    bufferSize,
    onPosition: (now) =>
      Effect.map(Schema.encodeEffect(Position)(now), (json) => {
        position = json
      }),
  })
  const fiber = yield* feed.pipe(
    Stream.runForEach(({ action, handled }) => {
      const n = numberOf(action.id)
      emitted.push(n)
      return Effect.andThen(keep(n), handled)
    }),
    Effect.delay("1 milli"),
    Effect.forkScoped,
  )
  return {
    emitted,
    fiber,
    position: () => position,
    open: Effect.suspend(() => Effect.map(positionOf(position), ({ open }) => ascending(open.map(numberOf)))),
  }
})

const pass = (time: Duration.Input) => TestClock.adjust(time)

const listCalls = Effect.flatMap(Simulator.Simulator, ({ calls }) =>
  Effect.map(calls, (all) => all.filter(({ kind }) => kind === "list")),
)

/** The service behind a client whose lists fail, or lead back to themselves. */
const between = (refuse: (expression: string) => ApiError | undefined) =>
  Layer.fresh(ActionWatch.layer).pipe(
    Layer.provideMerge(
      Layer.effect(
        DefenderApi,
        Effect.map(DefenderApi, (api) => ({
          ...api,
          list: (query) =>
            Stream.suspend(() => {
              const error = refuse(query?.filter?.expression ?? "")
              if (error === undefined) return api.list(query)
              const isEndless = error._tag === "DefenderError" && error.reason._tag === "EndlessList"
              return Stream.concat(isEndless ? api.list(query) : Stream.empty, Stream.fail(error))
            }),
        })),
      ),
    ),
    Layer.provideMerge(LiveResponseTest.layer()),
  )

const apiError = (reason: DefenderError.Reason) =>
  new DefenderError.DefenderError({ operation: "list of machine actions", reason })

/** Fewer looks at open actions than by default: each costs a test of hours time. */
const fewRounds = Timing.layer({ rounds: Schedule.spaced("15 seconds") })

describe("ActionFeed.stream at its limits", () => {
  it.effect("misses nothing however often it is killed", () =>
    Effect.gen(function* () {
      const random = seededRandom(7)
      const lastsUntil = 2 * 3600
      const sessions = upTo(60).map((n) => {
        const created = Math.floor(random() * lastsUntil)
        // Some are listed as late as possible, some wait for a machine to come back, and some are final at once.
        const listed = created + Math.floor(random() < 0.2 ? random() * 540 : random() * 5)
        return { n, created, listed, over: listed + Math.floor(random() ** 3 * 3600) }
      })
      const kept = new Set<number>()
      // A kill while it waits leaves nothing behind.
      const keep = (n: number) =>
        Effect.delay(
          Effect.sync(() => void kept.add(n)),
          `${1 + Math.floor(random() * 20)} seconds`,
        )
      let position = beginning
      let running = yield* follow(position, keep)
      let kills = 0
      let killed = Math.floor(random() * 300)
      for (let now = 0; now < lastsUntil + 3600; now += 30) {
        for (const { created, listed, n, over } of sessions) {
          if (listed >= now && listed < now + 30) yield* put(n, "InProgress", created)
          if (over >= now && over < now + 30) yield* put(n, "Succeeded", created, over)
        }
        if (now >= killed && now < lastsUntil) {
          yield* Fiber.interrupt(running.fiber)
          position = running.position()
          running = yield* follow(position, keep)
          kills++
          killed = now + Math.floor(random() * 400)
        }
        yield* pass("30 seconds")
      }
      assert.isAbove(kills, 20)
      assert.deepStrictEqual(ascending(kept), upTo(60))
      assert.deepStrictEqual(yield* running.open, [])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer().pipe(Layer.provideMerge(fewRounds)))),
  )

  it.effect("emits what an endless list shows, also at the first round, and searches again", () =>
    Effect.gen(function* () {
      for (const n of upTo(3)) yield* put(n, "Succeeded", n)
      const { fiber, emitted } = yield* follow(beginning)
      yield* pass("5 minutes")
      yield* put(3, "Succeeded", 300)
      yield* pass("5 minutes")
      assert.deepStrictEqual(ascending(emitted), upTo(4))
      assert.isUndefined(fiber.pollUnsafe())
      assert.isAtMost((yield* listCalls).length, 12)
    }).pipe(Effect.scoped, Effect.provide(between(() => apiError(new DefenderError.EndlessList({ pages: 2 }))))),
  )

  it.effect("emits each action once while pages shift", () =>
    Effect.gen(function* () {
      for (const n of upTo(9)) yield* put(n, "Succeeded", n)
      const { emitted } = yield* follow(beginning)
      // Each page takes ten seconds. The newest actions come first, and push the others on to the next page.
      for (const n of [9, 10, 11]) {
        yield* pass("10 seconds")
        yield* put(n, "Succeeded", n)
      }
      yield* pass("5 minutes")
      assert.deepStrictEqual(ascending(emitted), upTo(12))
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.fresh(ActionWatch.layer).pipe(
          Layer.provideMerge(layerApi({ base: "http://localhost" })),
          Layer.provideMerge(LiveResponseTest.layer({ pageSize: 2, latency: Effect.sleep("10 seconds") })),
        ),
      ),
    ),
  )

  it.effect("emits five thousand actions from one call, and reports its position meanwhile", () =>
    Effect.gen(function* () {
      for (const n of upTo(5000)) yield* put(n, "Succeeded", 0)
      const running = yield* follow(beginning, () => Effect.sleep("100 millis"))
      yield* pass("5 minutes")
      assert.strictEqual((yield* listCalls).length, 5)
      const { length } = yield* running.open
      assert.isAbove(length, 2000)
      assert.isBelow(length, 3000)
      yield* pass("5 minutes")
      assert.strictEqual(new Set(running.emitted).size, 5000)
      assert.strictEqual(running.emitted.length, 5000)
      assert.deepStrictEqual(yield* running.open, [])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("reads the list no further while its buffer is full, and still reports its position", () =>
    Effect.gen(function* () {
      for (const n of upTo(100)) yield* put(n, "Succeeded", n)
      yield* pass("10 minutes")
      const first = yield* follow(beginning, () => Effect.never, 20)
      yield* pass("30 minutes")
      // Two pages fit, and the third one has the first action that does not.
      assert.strictEqual((yield* listCalls).length, 3)
      assert.strictEqual(first.emitted.length, 1)
      assert.isAtMost((yield* first.open).length, 21)
      assert.strictEqual((yield* positionOf(first.position())).since.epochMilliseconds, 0)
      yield* Fiber.interrupt(first.fiber)

      const second = yield* follow(first.position(), () => Effect.sleep("2 seconds"), 20)
      yield* pass("3 minutes")
      yield* Fiber.interrupt(second.fiber)
      assert.isBelow(second.emitted.length, 100)
      const third = yield* follow(second.position(), () => Effect.sleep("2 seconds"), 20)
      yield* pass("1 hour")
      assert.strictEqual(new Set(third.emitted).size, third.emitted.length)
      assert.deepStrictEqual(ascending(new Set([...second.emitted, ...third.emitted])), upTo(100))
      assert.deepStrictEqual(yield* third.open, [])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer({ pageSize: 10 }))),
  )

  for (const seed of [1, 2, 3]) {
    it.effect(`misses nothing with a buffer of five while new actions arrive (${seed})`, () =>
      Effect.gen(function* () {
        const random = seededRandom(seed)
        yield* pass("1 hour")
        for (const n of upTo(40)) yield* put(n, "Succeeded", n)
        const running = yield* follow(beginning, () => Effect.sleep(20_000 * random()), 5)
        for (let n = 40; n < 60; n++) {
          const now = (yield* Clock.currentTimeMillis) / 1000
          yield* put(n, random() < 0.5 ? "Succeeded" : "Pending", now)
          yield* pass(60_000 * random())
          yield* put(n, "Succeeded", now, (yield* Clock.currentTimeMillis) / 1000)
        }
        yield* pass("1 hour")
        assert.deepStrictEqual(ascending(running.emitted), upTo(60))
        assert.deepStrictEqual(yield* running.open, [])
      }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer({ pageSize: 3 }))),
    )
  }

  it.effect("stays within the quota with a thousand open actions", () =>
    Effect.gen(function* () {
      for (const n of upTo(1000)) yield* put(n, n < 900 ? "Succeeded" : "Pending", 0)
      const open = upTo(1000).map((n) => `"${idAt(n)}"`)
      const running = yield* follow(`{"since":"${at(3600)}","open":[${open}]}`)
      yield* pass("5 minutes")
      assert.deepStrictEqual(ascending(running.emitted), upTo(900))
      yield* pass("55 minutes")
      const calls = yield* listCalls
      assert.isTrue(calls.every(({ status }) => status === 200))
      assert.isAtMost(calls.length, 61 + 1201)
      const mostInAMinute = Math.max(
        ...calls.map(({ at }) => calls.filter((call) => call.at >= at && call.at < at + 60_000).length),
      )
      assert.isAtMost(mostInAMinute, 22)
      assert.deepStrictEqual(ascending(running.emitted), upTo(900))
      assert.strictEqual((yield* running.open).length, 100)
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("emits once an action that was open and is listed as well", () =>
    Effect.gen(function* () {
      yield* put(1, "Succeeded", 0)
      const { emitted } = yield* follow(`{"since":"${at(0)}","open":["${idAt(1)}"]}`)
      yield* pass("5 minutes")
      assert.deepStrictEqual(emitted, [1])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("abandons an action that is gone, and continues", () =>
    Effect.gen(function* () {
      const running = yield* follow(`{"since":"${at(0)}","open":["${idAt(1)}"]}`)
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* running.open, [1])
      yield* pass("5 minutes")
      assert.deepStrictEqual(yield* running.open, [])
      yield* put(2, "Succeeded", 300)
      yield* pass("2 minutes")
      assert.deepStrictEqual(running.emitted, [2])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("emits new actions after the clock of this machine was ahead", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let ahead = 10 * 3_600_000
      const wall = () => clock.currentTimeMillisUnsafe() + ahead
      const wrong = { ...clock, currentTimeMillisUnsafe: wall, currentTimeMillis: Effect.sync(wall) }
      // An hour ago by the wrong clock, and nine hours ahead.
      const { emitted } = yield* Effect.provideService(
        follow(`{"since":"${at(9 * 3600)}","open":[]}`),
        Clock.Clock,
        wrong,
      )
      yield* pass("90 seconds")
      ahead = 0
      yield* put(1, "Succeeded", 95)
      yield* pass("5 minutes")
      assert.deepStrictEqual(emitted, [1])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  for (const [which, skew] of [
    ["the service's clock is ahead", 3600],
    ["the service's clock is behind", -3600],
  ] as const) {
    it.effect(`emits new actions when ${which}`, () =>
      Effect.gen(function* () {
        yield* pass("1 day")
        const { emitted } = yield* follow(`{"since":"${at(0)}","open":[]}`)
        for (const n of [1, 2, 3]) {
          const now = (yield* Clock.currentTimeMillis) / 1000 + skew
          yield* put(n, "Succeeded", now - 1, now)
          yield* put(n + 10, "InProgress", now)
          yield* pass("2 minutes")
          yield* put(n + 10, "Succeeded", now, now + 120)
        }
        yield* pass("2 minutes")
        assert.deepStrictEqual(ascending(emitted), [1, 2, 3, 11, 12, 13])
      }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
    )
  }

  it.effect("survives a quota that others have used up", () => {
    let isUsed = false
    return Effect.gen(function* () {
      yield* put(1, "Succeeded", 0)
      const { emitted } = yield* follow(beginning)
      yield* pass("90 seconds")
      isUsed = true
      yield* put(2, "Succeeded", 90)
      yield* pass("3 hours")
      assert.deepStrictEqual(emitted, [1])
      isUsed = false
      yield* pass("90 seconds")
      assert.deepStrictEqual(emitted, [1, 2])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        between(() => (isUsed ? apiError(new DefenderError.TooManyRequests({ status: 429 })) : undefined)),
      ),
    )
  })

  for (const [call, part] of [
    ["the search for new actions", "creationDateTimeUtc"],
    ["the watch of open actions", "id eq"],
  ] as const) {
    it.effect(`fails at once if the token is refused to ${call}`, () => {
      let isRefused = false
      return Effect.gen(function* () {
        yield* put(1, "Pending", 0)
        const running = yield* follow(beginning)
        yield* pass("5 minutes")
        assert.deepStrictEqual(yield* running.open, [1])
        isRefused = true
        yield* pass("2 minutes")
        assert.include(String(running.fiber.pollUnsafe()), "the API refused the token")
        // It stays open for the next run.
        assert.deepStrictEqual(yield* running.open, [1])
        const calls = (yield* listCalls).length
        yield* pass("10 minutes")
        assert.strictEqual((yield* listCalls).length, calls)
      }).pipe(
        Effect.scoped,
        Effect.provide(
          between((expression) =>
            isRefused && expression.includes(part)
              ? apiError(new DefenderError.Unauthorized({ status: 401 }))
              : undefined,
          ),
        ),
      )
    })
  }

  it.effect("fails with the error of `onPosition`", () =>
    Effect.gen(function* () {
      yield* put(1, "Succeeded", 0)
      const feed = ActionFeed.stream({ from: yield* positionOf(beginning), onPosition: () => Effect.fail("full") })
      const exit = yield* LiveResponseTest.inVirtualTime(Effect.flip(Stream.runDrain(feed)))
      assert.strictEqual(exit, "full")
    }).pipe(Effect.provide(LiveResponseTest.layer())),
  )
})
