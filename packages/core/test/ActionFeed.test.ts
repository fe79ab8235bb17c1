import { assert, describe, it } from "@effect/vitest"
import * as ActionFeed from "@live-response/core/ActionFeed"
import * as ActionFilter from "@live-response/core/ActionFilter"
import { MachineActionId } from "@live-response/core/MachineAction"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"

const idAt = (n: number) => MachineActionId.make(`988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`)

const at = (seconds: number) => DateTime.formatIso(DateTime.makeUnsafe(seconds * 1000))

/** A session that was created this many seconds after the epoch. */
const session = (n: number, status: string, created: number, more: Readonly<Record<string, unknown>> = {}) => ({
  id: idAt(n),
  type: "LiveResponse",
  status,
  creationDateTimeUtc: at(created),
  commands: [],
  ...more,
})

const beginning = ActionFeed.Position.make({ since: DateTime.makeUnsafe(0), open: [] })

const put = (action: Simulator.ActionRecord) =>
  Effect.flatMap(Simulator.Simulator, (simulator) => simulator.addAction(action))

/** Reads the feed while the test does other things: gives what was emitted, and the last position. */
const follow = Effect.fnUntraced(function* (
  options: {
    readonly from?: ActionFeed.Position
    readonly filter?: ActionFilter.ActionFilter
    readonly isHandled?: (n: number) => boolean
    readonly mayBeLost?: Effect.Effect<boolean>
  } = {},
) {
  const emitted: Array<readonly [n: number, status: string, seconds: number]> = []
  let position = beginning
  const feed = ActionFeed.stream({
    filter: options.filter,
    from: options.from ?? beginning,
    mayBeLost: options.mayBeLost,
    onPosition: (now) =>
      Effect.sync(() => {
        position = now
      }),
  })
  const fiber = yield* feed.pipe(
    Stream.runForEach(({ action, handled }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const n = Number(action.id.slice(-6))
        emitted.push([n, action.status, Math.round(now / 1000)])
        return options.isHandled?.(n) === false ? Effect.void : handled
      }),
    ),
    Effect.delay("1 milli"),
    Effect.forkScoped,
  )
  return {
    emitted,
    fiber,
    position: () => position,
    open: () => position.open.map((id) => Number(id.slice(-6))).toSorted(),
    since: () => DateTime.toEpochMillis(position.since) / 1000,
  }
})

const pass = (time: Duration.Input) => TestClock.adjust(time)

const isList = ({ kind }: Simulator.Call) => kind === "list"

const listCalls = Effect.flatMap(Simulator.Simulator, ({ calls }) => Effect.map(calls, (all) => all.filter(isList)))

describe("ActionFeed.stream", () => {
  it.effect("emits final actions that exist, then new ones, each once", () =>
    Effect.gen(function* () {
      yield* pass("1 hour")
      yield* put(session(1, "Succeeded", 3000))
      yield* put(session(2, "Failed", 3100))
      const { fiber, emitted } = yield* follow()
      yield* pass("30 seconds")
      assert.deepStrictEqual(emitted.map(([n]) => n).sort(), [1, 2])
      yield* put(session(3, "Cancelled", 3660))
      yield* pass("10 minutes")
      assert.deepStrictEqual(emitted[2]?.slice(0, 2), [3, "Cancelled"])
      assert.strictEqual(emitted.length, 3)
      assert.strictEqual((yield* listCalls).length, 11)
      yield* Fiber.interrupt(fiber)
      yield* pass("10 minutes")
      assert.strictEqual((yield* listCalls).length, 11)
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("waits until an action is final, and then until its results have settled", () =>
    Effect.gen(function* () {
      yield* put(session(1, "InProgress", 0))
      yield* put(session(2, "Pending", 0))
      yield* put(session(3, "Succeeded", 0, { lastUpdateDateTimeUtc: at(0) }))
      const { open, emitted } = yield* follow()
      yield* pass("2 minutes")
      assert.deepStrictEqual(emitted, [[3, "Succeeded", 5]])
      assert.deepStrictEqual(open(), [1, 2])
      yield* put(session(1, "Succeeded", 0))
      yield* pass("10 seconds")
      assert.deepStrictEqual(emitted[1]?.slice(0, 2), [1, "Succeeded"])
      yield* pass("3 hours")
      yield* put(session(2, "TimeOut", 0))
      yield* pass("2 minutes")
      assert.deepStrictEqual(emitted[2]?.slice(0, 2), [2, "TimeOut"])
      assert.deepStrictEqual(open(), [])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("resumes from a position and misses nothing", () =>
    Effect.gen(function* () {
      yield* pass("1 hour")
      for (const n of [1, 2, 3]) yield* put(session(n, "Succeeded", 3500 + n))
      yield* put(session(4, "Pending", 3504))
      const first = yield* follow({ isHandled: (n) => n !== 2 })
      yield* pass("3 minutes")
      assert.deepStrictEqual(first.open(), [2, 4])
      assert.strictEqual(first.since(), 3504 - 600)
      yield* Fiber.interrupt(first.fiber)

      yield* put(session(4, "Succeeded", 3504))
      yield* put(session(5, "Succeeded", 4000))
      yield* pass("1 hour")
      const second = yield* follow({ from: first.position() })
      yield* pass("3 minutes")
      // The list still shows what was created within ten minutes of the newest one. The position knows which of it is handled.
      assert.deepStrictEqual(second.emitted.map(([n]) => n).sort(), [2, 4, 5])
      const third = yield* follow({ from: second.position() })
      yield* pass("3 minutes")
      assert.deepStrictEqual(third.emitted, [])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("emits again what was handled lately if that may be lost, and nothing else", () =>
    Effect.gen(function* () {
      const store = { isLost: false }
      const mayBeLost = Effect.sync(() => {
        const { isLost } = store
        store.isLost = false
        return isLost
      })
      yield* pass("30 minutes")
      yield* put(session(1, "InProgress", 100))
      yield* put(session(2, "Succeeded", 1700))
      yield* put(session(3, "Pending", 1701))
      const feed = yield* follow({ mayBeLost })
      yield* pass("90 seconds")
      // It is older than what the list shows once it is handled.
      yield* put(session(1, "Succeeded", 100))
      yield* pass("45 seconds")
      assert.deepStrictEqual(feed.emitted.map(([n]) => n).sort(), [1, 2])
      store.isLost = true
      while (store.isLost) yield* pass("1 second")
      // What resumes from this position emits them too.
      assert.deepStrictEqual(feed.open(), [1, 2, 3])
      yield* pass("2 minutes")
      assert.deepStrictEqual(feed.emitted.map(([n]) => n).sort(), [1, 1, 2, 2])
      yield* pass("10 minutes")
      assert.strictEqual(feed.emitted.length, 4)
      assert.deepStrictEqual(feed.open(), [3])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("takes up no more than fits of what may be lost while the list does not fit", () =>
    Effect.gen(function* () {
      const store = { isLost: false }
      const numbers = Array.from({ length: 20 }, (_, i) => i + 1)
      yield* pass("1 hour")
      for (const n of numbers) yield* put(session(n, "Succeeded", 3000 + n))
      const isFree = yield* Latch.make(false)
      const emitted: Array<number> = []
      yield* ActionFeed.stream({
        from: beginning,
        bufferSize: 4,
        mayBeLost: Effect.sync(() => {
          const { isLost } = store
          store.isLost = false
          return isLost
        }),
      }).pipe(
        Stream.runForEach(({ action, handled }) =>
          Effect.sync(() => emitted.push(Number(action.id.slice(-6)))).pipe(
            Effect.andThen(emitted.length < 6 ? Effect.void : isFree.await),
            Effect.andThen(handled),
          ),
        ),
        Effect.forkScoped,
      )
      while (emitted.length < 7) yield* pass("1 minute")
      store.isLost = true
      while (store.isLost) yield* pass("1 second")
      const calls = (yield* listCalls).length
      yield* pass("5 minutes")
      assert.strictEqual((yield* listCalls).length, calls)
      yield* isFree.open
      while (emitted.length < 26) yield* pass("1 minute")
      yield* pass("10 minutes")
      const again = numbers.filter((n) => emitted.indexOf(n) !== emitted.lastIndexOf(n))
      assert.deepStrictEqual(again.toReversed(), emitted.slice(0, 6))
      assert.deepStrictEqual(emitted.length, 26)
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect(
    "emits again what was handled since the position before, which a store that fails over may have forgotten",
    () =>
      Effect.gen(function* () {
        yield* pass("1 hour")
        yield* put(session(1, "Succeeded", 3500))
        const feed = yield* follow()
        yield* pass("90 seconds")
        const early = feed.position()
        assert.deepStrictEqual([feed.open(), early.handled], [[], undefined])
        yield* pass("1 minute")
        assert.deepStrictEqual(feed.position().handled, [idAt(1)])
        const [second, third] = [yield* follow({ from: early }), yield* follow({ from: feed.position() })]
        yield* pass("30 seconds")
        assert.strictEqual(second.emitted.length, 1)
        assert.deepStrictEqual(third.emitted, [])
      }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("takes up a hundred open actions with one call, and one that the list does not show with another", () =>
    Effect.gen(function* () {
      yield* pass("1 hour")
      const recent = Array.from({ length: 100 }, (_, n) => n + 1)
      for (const n of recent) yield* put(session(n, "Succeeded", 3500))
      yield* put(session(101, "Succeeded", 100))
      const since = DateTime.makeUnsafe(3_000_000)
      const { emitted, open } = yield* follow({
        from: ActionFeed.Position.make({ since, open: [...recent, 101].map((n) => idAt(n)) }),
      })
      yield* pass("30 seconds")
      assert.deepStrictEqual(
        emitted.map(([n]) => n).toSorted((a, b) => a - b),
        [...recent, 101],
      )
      assert.strictEqual((yield* listCalls).length, 2)
      yield* pass("2 minutes")
      assert.deepStrictEqual(open(), [])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("emits what the list shows late, and forgets what is long final", () =>
    Effect.gen(function* () {
      yield* pass("1 day")
      yield* put(session(1, "Succeeded", 86_000))
      const { open, since, emitted } = yield* follow()
      yield* pass("5 minutes")
      yield* put(session(2, "Succeeded", 85_500))
      yield* pass("2 minutes")
      assert.deepStrictEqual(
        emitted.map(([n]) => n),
        [1, 2],
      )
      for (const n of [3, 4, 5, 6, 7, 8]) {
        yield* pass("10 minutes")
        yield* put(session(n, "Succeeded", 86_820 + (n - 2) * 600))
      }
      yield* pass("2 minutes")
      assert.deepStrictEqual(
        emitted.map(([n]) => n),
        [1, 2, 3, 4, 5, 6, 7, 8],
      )
      assert.deepStrictEqual(open(), [])
      assert.strictEqual(since(), 86_820 + 6 * 600 - 600)
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("lists selected actions only", () =>
    Effect.gen(function* () {
      yield* put(session(1, "Succeeded", 0, { requestor: "ann" }))
      yield* put(session(2, "Succeeded", 0, { requestor: "bob" }))
      const { emitted } = yield* follow({ filter: ActionFilter.is("requestor", "bob") })
      yield* pass("2 minutes")
      assert.deepStrictEqual(
        emitted.map(([n]) => n),
        [2],
      )
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("survives an hour without the API, once it was reached, and logs once that it is away and is back", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      yield* put(session(1, "Succeeded", 0))
      yield* put(session(2, "Pending", 0))
      const { emitted } = yield* follow()
      yield* pass("1 minute")
      const simulator = yield* Simulator.Simulator
      yield* simulator.outage(true)
      yield* pass("1 hour")
      yield* put(session(2, "Succeeded", 0))
      yield* put(session(3, "Succeeded", 60))
      assert.deepStrictEqual(
        emitted.map(([n]) => n),
        [1],
      )
      yield* simulator.outage(false)
      yield* pass("5 minutes")
      assert.deepStrictEqual(emitted.map(([n]) => n).sort(), [1, 2, 3])
      const [failed, ...others] = lines.filter((line) => /search|tried/.test(line))
      assert.match(failed ?? "", /; it is tried again$/)
      assert.deepStrictEqual(others, ["the API is searched again"])
    }).pipe(Effect.scoped, Effect.provide([LiveResponseTest.layer(), Logger.layer([logger])]))
  })

  it.effect("advances its position past no action that claims to be created in the future", () =>
    Effect.gen(function* () {
      yield* pass("1 hour")
      yield* put(session(1, "Succeeded", 1_000_000))
      const { emitted } = yield* follow()
      yield* pass("5 minutes")
      yield* put(session(2, "Succeeded", 3800))
      yield* pass("5 minutes")
      assert.deepStrictEqual(
        emitted.map(([n]) => n),
        [1, 2],
      )
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("reads pages, and lets results of new actions settle whatever the clock of this computer says", () =>
    Effect.gen(function* () {
      yield* pass("1 hour")
      for (const n of [1, 2, 3]) yield* put(session(n, "Succeeded", 3000 + n))
      const { emitted } = yield* follow()
      yield* pass("30 seconds")
      assert.strictEqual(emitted.length, 3)
      yield* put(session(4, "Succeeded", 3620, { lastUpdateDateTimeUtc: at(3000) }))
      yield* pass("2 minutes")
      assert.deepStrictEqual(emitted[3], [4, "Succeeded", 3665])
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer({ pageSize: 2 }))),
  )

  it.effect("fails if the API was never reached", () =>
    Effect.gen(function* () {
      yield* (yield* Simulator.Simulator).outage(true)
      const { fiber } = yield* follow()
      yield* pass("20 minutes")
      const exit = yield* Fiber.await(fiber)
      assert.include(String(exit), "the API is unavailable")
    }).pipe(Effect.scoped, Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("round-trips a position through JSON", () =>
    Effect.gen(function* () {
      const schema = Schema.fromJsonString(ActionFeed.Position)
      const json = `{"since":"2026-11-24T10:00:00.000Z","open":["${idAt(1)}"]}`
      assert.strictEqual(yield* Schema.encodeEffect(schema)(yield* Schema.decodeEffect(schema)(json)), json)
    }),
  )
})
