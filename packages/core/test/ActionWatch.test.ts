import { assert, describe, it } from "@effect/vitest"
import * as ActionWatch from "@live-response/core/ActionWatch"
import type { ApiError } from "@live-response/core/ApiError"
import { DefenderApi, type ListQuery } from "@live-response/core/DefenderApi"
import * as DefenderError from "@live-response/core/DefenderError"
import * as MachineAction from "@live-response/core/MachineAction"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Timing from "@live-response/core/Timing"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"

const { inVirtualTime } = LiveResponseTest

const decodeId = Schema.decodeSync(MachineAction.MachineActionId)

const idAt = (n: number) => decodeId(`00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`)

const decodeAction = Schema.decodeUnknownSync(MachineAction.FromApi)

const actionOf = (id: string, status: string) => decodeAction({ id, status, type: "LiveResponse" })

const errorOf = (reason: DefenderError.Reason) => new DefenderError.DefenderError({ operation: "list", reason })

const unavailable = errorOf(new DefenderError.Unavailable({ status: 503 }))
const notFound = errorOf(new DefenderError.NotFound({ status: 404 }))

interface Call {
  readonly at: number
  readonly ids: ReadonlyArray<string>
}

/** What the service has of an action at this second: its status, nothing, or an error for the whole call. */
type Service = (id: string, at: number) => string | undefined | ApiError

/** A watch over a scripted API, and the calls that it makes. */
const watching = (service: Service, get: Service = () => notFound, isEndless = false) => {
  const lists: Array<Call> = []
  const gets: Array<Call> = []
  const seconds = Effect.map(Clock.currentTimeMillis, (now) => now / 1000)
  const listed = Effect.fnUntraced(function* (query: ListQuery | undefined) {
    const ids = Array.from((query?.filter?.expression ?? "").matchAll(/id eq '([^']*)'/g), ([, id = ""]) => id)
    const at = yield* seconds
    lists.push({ at, ids })
    const actions: Array<MachineAction.MachineAction> = []
    for (const id of ids) {
      const status = service(id, at)
      if (typeof status === "string") actions.push(actionOf(id.toUpperCase(), status))
      else if (status !== undefined) return yield* status
    }
    return actions.toReversed()
  })
  const api = Layer.mock(DefenderApi, {
    client: HttpClient.make(() => Effect.die("not used here")),
    list: (query) =>
      Stream.unwrap(Effect.map(listed(query), Stream.fromIterable)).pipe(
        Stream.concat(isEndless ? Stream.fail(errorOf(new DefenderError.EndlessList({ pages: 2 }))) : Stream.empty),
      ),
    get: Effect.fnUntraced(function* (id) {
      const at = yield* seconds
      gets.push({ at, ids: [id] })
      const status = get(id, at)
      if (typeof status === "string") return actionOf(id, status)
      return yield* status ?? notFound
    }),
  })
  return { lists, gets, layer: ActionWatch.layer.pipe(Layer.provide(api)) }
}

/** The states of an action with their times, and how the watch ended. */
const statesOf = Effect.fnUntraced(function* (id: MachineAction.MachineActionId) {
  const { watch } = yield* ActionWatch.ActionWatch
  const seen: Array<{ readonly at: number; readonly status: string }> = []
  const exit = yield* Stream.runForEach(watch(id), ({ status }) =>
    Effect.map(Clock.currentTimeMillis, (now) => seen.push({ at: now / 1000, status })),
  ).pipe(Effect.exit)
  return { seen, exit, at: (yield* Clock.currentTimeMillis) / 1000 }
})

const lastOf = (id: MachineAction.MachineActionId) =>
  Effect.map(statesOf(id), ({ exit, seen }) => ({ exit: exit._tag, status: seen.at(-1)?.status }))

const allOf = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => idAt(n)),
    lastOf,
    { concurrency: "unbounded" },
  )

const well = { exit: "Success", status: "Succeeded" } as const

describe("ActionWatch.watch", () => {
  it.effect("emits the state at every poll until the action is final, and makes no call after that", () => {
    const { layer, lists } = watching((_, at) => (at < 4 ? "Pending" : at < 10 ? "InProgress" : "Succeeded"))
    return Effect.gen(function* () {
      const { exit, seen } = yield* inVirtualTime(statesOf(idAt(0)), "1 hour")
      assert.strictEqual(exit._tag, "Success")
      assert.deepStrictEqual(
        seen.map(({ status }) => status),
        ["Pending", "Pending", "InProgress", "InProgress", "Succeeded"],
      )
      assert.strictEqual(lists.length, 5)
    }).pipe(Effect.provide(layer))
  })

  it.effect("reads the actions of a list that leads back to itself, without a call for one action", () => {
    const { gets, layer, lists } = watching((_, at) => (at < 4 ? "InProgress" : "Succeeded"), undefined, true)
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* inVirtualTime(lastOf(idAt(0)), "1 hour"), well)
      assert.strictEqual(lists.length, 3)
      assert.strictEqual(gets.length, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("makes no call while nothing is watched, and polls at once when something is", () => {
    const { layer, lists } = watching(() => "Succeeded")
    return Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(lists.length, 0)
      for (let n = 1; n <= 3; n++) {
        const startedAt = (yield* Clock.currentTimeMillis) / 1000
        const { at } = yield* inVirtualTime(statesOf(idAt(n)), "10 minutes")
        assert.isAtMost(at - startedAt, 0.1)
        assert.strictEqual(lists.length, n)
      }
    }).pipe(Effect.provide(layer))
  })

  for (const [count, calls] of [
    [25, 1],
    [26, 2],
    [1000, 40],
  ] as const) {
    it.effect(`polls ${count} actions with ${calls} calls, three seconds apart`, () => {
      const { layer, lists } = watching(() => "Succeeded")
      return Effect.gen(function* () {
        const ends = yield* inVirtualTime(allOf(count))
        assert.deepStrictEqual(
          ends,
          Array.from({ length: count }, () => well),
        )
        assert.strictEqual(lists.length, calls)
        assert.isTrue(lists.every(({ ids }) => ids.length <= 25))
        assert.isTrue(lists.every(({ at }, i) => i === 0 || at - (lists[i - 1]?.at ?? 0) >= 2.999))
        assert.strictEqual(new Set(lists.flatMap(({ ids }) => ids)).size, count)
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("reads an action once for several callers, and each of them gets every state", () => {
    const { layer, lists } = watching((_, at) => (at < 10 ? "InProgress" : "Succeeded"))
    return Effect.gen(function* () {
      const all = yield* inVirtualTime(
        Effect.forEach([idAt(0), idAt(0), idAt(1)], statesOf, { concurrency: "unbounded" }),
      )
      assert.deepStrictEqual(
        all.map(({ seen }) => seen.length),
        [5, 5, 5],
      )
      assert.strictEqual(lists.length, 5)
      assert.deepStrictEqual(lists[0]?.ids.toSorted(), [idAt(0), idAt(1)])
    }).pipe(Effect.provide(layer))
  })

  it.effect("emits to a slow reader only the last state, and always the final one", () => {
    const { layer } = watching((_, at) => (at < 100 ? "InProgress" : "Succeeded"))
    return Effect.gen(function* () {
      const { watch } = yield* ActionWatch.ActionWatch
      const seen: Array<string> = []
      yield* inVirtualTime(
        Stream.runForEach(watch(idAt(0)), ({ status }) =>
          Effect.delay(
            Effect.sync(() => seen.push(status)),
            "40 seconds",
          ),
        ),
      )
      assert.deepStrictEqual(seen.slice(-1), ["Succeeded"])
      assert.isAtMost(seen.length, 5)
    }).pipe(Effect.provide(layer))
  })

  it.effect("makes no call for a caller that has left", () => {
    const { layer, lists } = watching(() => "InProgress")
    return Effect.gen(function* () {
      const { watch } = yield* ActionWatch.ActionWatch
      const first = yield* inVirtualTime(Stream.runCollect(Stream.take(watch(idAt(0)), 2)), "1 hour")
      assert.strictEqual(first.length, 2)
      assert.strictEqual(lists.length, 2)
      const watching = yield* Effect.forkChild(Effect.delay(statesOf(idAt(1)), "1 milli"))
      yield* TestClock.adjust("7 seconds")
      assert.strictEqual(lists.length, 5)
      yield* Fiber.interrupt(watching)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(lists.length, 5)
    }).pipe(Effect.provide(layer))
  })

  it.effect("waits two minutes for an action that the API does not know yet", () => {
    const { gets, layer } = watching((id, at) => (id === idAt(0) && at < 119 ? undefined : "Succeeded"))
    return Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* inVirtualTime(allOf(30)),
        Array.from({ length: 30 }, () => well),
      )
      assert.deepStrictEqual(gets, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("fails with the API's own error for an action that stays unknown, and for no other", () => {
    const { gets, layer } = watching((id, at) => (id === idAt(0) ? undefined : at < 200 ? "InProgress" : "Succeeded"))
    return Effect.gen(function* () {
      const [unknown, other] = yield* inVirtualTime(
        Effect.all([statesOf(idAt(0)), lastOf(idAt(1))], { concurrency: "unbounded" }),
      )
      assert.include(String(unknown.exit), "HTTP 404")
      assert.isAtLeast(unknown.at, 120)
      assert.isAtMost(unknown.at, 135)
      assert.strictEqual(gets.length, 1)
      assert.deepStrictEqual(other, well)
    }).pipe(Effect.provide(layer))
  })

  it.effect("continues with an action that the list lacks for long and the API knows", () => {
    const status = (at: number) => (at < 3000 ? "InProgress" : "Succeeded")
    const { layer } = watching(
      (_, at) => (at > 60 && at < 2000 ? undefined : status(at)),
      (_, at) => status(at),
    )
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* inVirtualTime(lastOf(idAt(0))), well)
    }).pipe(Effect.provide(layer))
  })

  for (const [what, error] of [
    ["503s", unavailable],
    ["no connection", errorOf(new DefenderError.Unreachable({ description: "reset" }))],
    ["429s", errorOf(new DefenderError.TooManyRequests({ status: 429 }))],
  ] as const) {
    it.effect(`continues after an hour of ${what}, once it has read the action, and logs both once`, () => {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => lines.push(String(message)))
      const { layer } = watching((_, at) => (at > 5 && at < 3600 ? error : at < 4000 ? "InProgress" : "Succeeded"))
      return Effect.gen(function* () {
        assert.deepStrictEqual(
          yield* inVirtualTime(allOf(30)),
          Array.from({ length: 30 }, () => well),
        )
        const failed = `machine actions can't be read: ${error.message}; retrying`
        assert.deepStrictEqual(lines, [failed, "machine actions are read again"])
      }).pipe(Effect.provide(Layer.provideMerge(layer, Logger.layer([logger]))))
    })
  }

  for (const reason of [
    new DefenderError.Unauthorized({ status: 401 }),
    new DefenderError.Forbidden({ status: 403 }),
  ]) {
    it.effect(`ends with ${reason._tag} for all watched actions`, () => {
      const { layer, lists } = watching((_, at) => (at > 5 ? errorOf(reason) : "InProgress"))
      return Effect.gen(function* () {
        const ends = yield* inVirtualTime(allOf(30))
        assert.isTrue(ends.every(({ exit }) => exit === "Failure"))
        assert.isAtMost(lists.length, 4)
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("reads actions one by one if the list can't be filtered by their ids", () => {
    const refused = errorOf(new DefenderError.Refused({ status: 400, code: "ODataError" }))
    const { gets, layer, lists } = watching(
      () => refused,
      (_, at) => (at < 300 ? "InProgress" : "Succeeded"),
    )
    return Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* inVirtualTime(allOf(30)),
        Array.from({ length: 30 }, () => well),
      )
      assert.strictEqual(lists.length, 1)
      const first = gets.slice(0, 30).map(({ ids: [id] }) => id)
      assert.strictEqual(new Set(first).size, 30)
      assert.isAtLeast((gets.at(-1)?.at ?? 0) - (gets[0]?.at ?? 0), (gets.length - 1) * 3 - 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("polls once a minute for an offline machine, and often once it is online", () => {
    const { layer } = watching((_, at) => (at < 3600 ? "Pending" : at < 3720 ? "InProgress" : "Succeeded"))
    return Effect.gen(function* () {
      const { seen } = yield* inVirtualTime(statesOf(idAt(0)))
      const gaps = seen.slice(1).map(({ at }, i) => at - (seen[i]?.at ?? 0))
      const isWithin = (from: number, to: number) => (_: number, i: number) => {
        const { at } = seen[i] ?? { at: 0 }
        return at > from && at < to
      }
      assert.isAtMost(Math.max(...gaps.filter(isWithin(0, 110))), 3.001)
      assert.isAtLeast(Math.min(...gaps.filter(isWithin(130, 3500))), 59.999)
      assert.isAtMost(Math.max(...gaps.filter(isWithin(130, 3500))), 63)
      assert.isAtMost(Math.max(...gaps.filter(isWithin(3665, 3720))), 3.001)
    }).pipe(Effect.provide(layer))
  })

  it.effect("ends without an error when the schedule has finished, with the last state", () => {
    const { layer } = watching(() => "InProgress")
    return Effect.gen(function* () {
      const { at, exit, seen } = yield* inVirtualTime(statesOf(idAt(0)))
      assert.strictEqual(exit._tag, "Success")
      assert.strictEqual(seen.at(-1)?.status, "InProgress")
      assert.strictEqual(seen.length, 3)
      assert.isAtLeast(at, 20)
      assert.isAtMost(at, 26.001)
    }).pipe(
      Effect.provide(
        layer.pipe(
          Layer.provide(Timing.layer({ watch: Schedule.spaced("10 seconds").pipe(Schedule.upTo({ times: 2 })) })),
        ),
      ),
    )
  })

  it.effect("polls one online machine often among five hundred offline machines", () => {
    const { layer, lists } = watching((id, at) =>
      id !== idAt(500) ? "Pending" : at < 1800 ? "InProgress" : "Succeeded",
    )
    return Effect.gen(function* () {
      const { watch } = yield* ActionWatch.ActionWatch
      for (let n = 0; n < 500; n++) {
        yield* Effect.forkChild(Effect.delay(Stream.runDrain(watch(idAt(n))), "1 milli"))
      }
      yield* TestClock.adjust("10 minutes")
      const { seen } = yield* inVirtualTime(statesOf(idAt(500)), "30 minutes")
      const gaps = seen.slice(1).map(({ at }, i) => at - (seen[i]?.at ?? 0))
      assert.isAtMost(Math.max(...gaps), 6.001)
      // Twenty calls a minute at most, so within Microsoft's 1,500 an hour.
      assert.isAtMost(lists.length, 40 * 20 + 1)
    }).pipe(Effect.provide(layer))
  })
})

describe("Timing.visibleWithin", () => {
  for (const seconds of [1, 10, 120, 300]) {
    it.effect(`polls for ${seconds} s, and not much longer`, () =>
      Effect.gen(function* () {
        const startedAt = yield* Clock.currentTimeMillis
        const polls: Array<number> = []
        yield* inVirtualTime(
          Effect.map(Clock.currentTimeMillis, (now) => polls.push((now - startedAt - 1) / 1000)).pipe(
            Effect.repeat(Timing.visibleWithin(Duration.seconds(seconds)).creation),
          ),
        )
        assert.isAtLeast(polls.at(-1) ?? 0, seconds)
        assert.isAtMost(polls.at(-1) ?? 0, seconds + 5)
        assert.isAtMost(Math.max(...polls.slice(1).map((at, i) => at - (polls[i] ?? 0))), Math.min(5, seconds / 4))
      }),
    )
  }
})
