import { assert, describe, it } from "@effect/vitest"
import * as ActionFeed from "@live-response/core/ActionFeed"
import * as ActionFilter from "@live-response/core/ActionFilter"
import { type BatchError, NetworkDown, StorageRefused } from "@live-response/core/BatchError"
import { DefenderError, Unreachable } from "@live-response/core/DefenderError"
import * as Follow from "@live-response/core/Follow"
import * as FollowPosition from "@live-response/core/FollowPosition"
import { LiveResponse } from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import { FromString } from "@live-response/core/ResultRef"
import { StoreError } from "@live-response/core/StoreError"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Timing from "@live-response/core/Timing"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { gzipSync } from "node:zlib"

const idAt = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const decodeRef = Schema.decodeSync(FromString)

const at = (seconds: number) => DateTime.formatIso(DateTime.makeUnsafe(seconds * 1000))

interface Put {
  readonly status?: string
  readonly created?: number
  readonly requestor?: string
  /** The status of each command; by default one, completed. */
  readonly commandStatuses?: ReadonlyArray<string>
  /** The index of each command; by default in order. */
  readonly indexes?: ReadonlyArray<number>
  readonly content?: Uint8Array
  readonly linkFaults?: ReadonlyArray<Simulator.Fault>
  readonly isAbsent?: boolean
}

/** Puts a session, and the results of its commands. */
const put = Effect.fnUntraced(function* (n: number, options: Put = {}) {
  const { commandStatuses = ["Completed"], content, created = 0, indexes, isAbsent, linkFaults, requestor } = options
  const simulator = yield* Simulator.Simulator
  const commands = commandStatuses.map((commandStatus, i) => ({
    index: indexes?.[i] ?? i,
    commandStatus,
    command: { type: "RunScript", params: [] },
  }))
  yield* simulator.addAction({
    id: idAt(n),
    type: "LiveResponse",
    status: options.status ?? "Succeeded",
    requestor: requestor ?? "soc@contoso.com",
    creationDateTimeUtc: at(created),
    lastUpdateDateTimeUtc: at(created),
    commands,
  })
  if (isAbsent === true) return
  for (const { index } of commands) {
    yield* simulator.add(decodeRef(`${idAt(n)}:${index}`), {
      content: content ?? new TextEncoder().encode(`result of ${n}`),
      linkFaults,
    })
  }
})

const key = FollowPosition.makeKey({ type: ["LiveResponse"] })

const refOf = ({ index, machineActionId }: { readonly index: number; readonly machineActionId: string }) =>
  `${Number(machineActionId.slice(-6))}:${index}`

/** An event as text: its name and its result. */
const nameOf = (event: Follow.Event) => ("machineActionId" in event ? `${event.event} ${refOf(event)}` : event.event)

const quiet = new Set(["linked", "progress", "searched", "retrying", "waiting", "offline"])

/** Follows while the test does other things. */
const follow = Effect.fnUntraced(function* <E = never, R = never>(
  options: Partial<Follow.Options<E, R>> = {},
  onEvent: (event: Follow.Event) => Effect.Effect<void> = () => Effect.void,
) {
  const events: Array<string> = []
  const fiber = yield* Follow.run<E, R>({ selection: { key }, since: DateTime.makeUnsafe(0), ...options }).pipe(
    Stream.runForEach((event) => {
      if (!quiet.has(event.event)) events.push(nameOf(event))
      return onEvent(event)
    }),
    Effect.delay("1 milli"),
    Effect.forkScoped,
  )
  return { events, fiber }
})

const pass = (time: Duration.Input) => TestClock.adjust(time)

const open = Effect.gen(function* () {
  const position = yield* (yield* FollowPosition.FollowPosition).find(key)
  return Option.match(position, {
    onNone: () => undefined,
    onSome: ({ open }) => open.map((id) => Number(id.slice(-6))),
  })
})

const layer = LiveResponseTest.layer()

const absent = { fault: "status", status: 404, code: "ResourceNotFound" } as const

const messageOf = (fiber: Fiber.Fiber<void, BatchError>) =>
  Effect.map(Effect.flip(Fiber.join(fiber)), ({ message }) => message)

describe("Follow.run", () => {
  it.effect("downloads each result of the actions that exist and of new ones, once", () =>
    Effect.gen(function* () {
      yield* pass("1 hour")
      yield* put(1, { commandStatuses: ["Completed", "Completed"] })
      yield* put(2, { status: "Pending", commandStatuses: ["Created"] })
      const { events, fiber } = yield* follow()
      yield* pass("2 minutes")
      assert.sameMembers(events, ["completed 1:0", "completed 1:1"])
      yield* put(2)
      yield* put(3, { created: 3700 })
      yield* pass("5 minutes")
      assert.sameMembers(events.slice(2), ["completed 2:0", "completed 3:0"])
      assert.deepStrictEqual(yield* open, [])
      yield* Fiber.interrupt(fiber)

      const second = yield* follow()
      yield* pass("5 minutes")
      assert.strictEqual(second.events[0], "resumed")
      assert.isTrue(second.events.slice(1).every((event) => event.startsWith("skipped ")))
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("reports each search, with the time of the next one", () =>
    Effect.gen(function* () {
      const searches: Array<readonly [number, number]> = []
      yield* follow({}, (event) =>
        Effect.sync(() => {
          if (event.event === "searched") searches.push([+event.at.epochMilliseconds, event.next.epochMilliseconds])
        }),
      )
      yield* pass("3 minutes")
      assert.deepStrictEqual(searches, [
        [1, 60_001],
        [60_001, 120_001],
        [120_001, 180_001],
      ])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("reports the first of several searches that fail, and no search before one succeeds", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const seen: Array<string> = []
      const failed = Effect.map(
        simulator.calls,
        (calls) => calls.filter(({ kind, status }) => kind === "list" && status === 503).length,
      )
      yield* follow({}, (event) =>
        Effect.map(failed, (count) => {
          if (event.event === "searched") seen.push(`searched after ${count}`)
          if (event.event === "unavailable") seen.push(event.message)
        }),
      )
      yield* pass("10 seconds")
      yield* simulator.addFaults(
        "list",
        Array.from({ length: 60 }, () => ({ fault: "status", status: 503 }) as const),
      )
      yield* pass("1 hour")
      assert.strictEqual(seen[0], "searched after 0")
      assert.match(seen[1] ?? "", /503/)
      assert.deepStrictEqual(new Set(seen.slice(2)), new Set(["searched after 60"]))
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("says when the next search really starts, where the wait is a random one", () =>
    Effect.gen(function* () {
      const searches: Array<{ readonly at: number; readonly next: number }> = []
      const report = (event: Follow.Event) =>
        Effect.sync(() => {
          if (event.event !== "searched") return
          searches.push({ at: event.at.epochMilliseconds, next: event.next.epochMilliseconds })
        })
      yield* Effect.updateService(follow({}, report), Timing.Timing, (timing) => ({
        ...timing,
        follow: Schedule.jittered(timing.follow),
      }))
      yield* pass("5 minutes")
      assert.isAbove(searches.length, 3)
      assert.deepStrictEqual(
        searches.slice(1).map(({ at }) => at),
        searches.slice(0, -1).map(({ next }) => next),
      )
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("starts from `since` with the open actions if the stored position is in the future, and says so", () =>
    Effect.gen(function* () {
      yield* pass("1 hour")
      const future = DateTime.makeUnsafe(10 * 3_600_000)
      const decode = Schema.decodeSync(ActionFeed.Position)
      const position = decode({ since: DateTime.formatIso(future), open: [idAt(1)] })
      yield* (yield* FollowPosition.FollowPosition).save(key, position)
      yield* put(1, { created: 10 })
      yield* put(2, { created: 3000 })
      const since = DateTime.makeUnsafe(2_000_000)
      const { events } = yield* follow({ since })
      yield* pass("2 minutes")
      assert.strictEqual(events[0], "resumed")
      assert.sameMembers(events.slice(1), ["completed 1:0", "completed 2:0"])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("starts from `since` only if no position is stored", () =>
    Effect.gen(function* () {
      yield* pass("1 day")
      yield* put(1, { created: 1000 })
      yield* put(2, { created: 80_000 })
      const since = DateTime.makeUnsafe(50_000_000)
      const first = yield* follow({ since })
      yield* pass("1 minute")
      assert.deepStrictEqual(first.events, ["completed 2:0"])
      yield* Fiber.interrupt(first.fiber)
      const second = yield* follow({ since: DateTime.makeUnsafe(0) })
      yield* pass("1 minute")
      assert.deepStrictEqual(second.events, ["resumed", "skipped 2:0"])
      yield* Fiber.interrupt(second.fiber)
      const other = FollowPosition.makeKey({ type: ["LiveResponse"], requestor: ["soc@contoso.com"] })
      const third = yield* follow({ selection: { key: other } })
      yield* pass("1 minute")
      assert.sameMembers(third.events, ["completed 1:0", "skipped 2:0"])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("downloads selected actions only, which is decided when they are final", () =>
    Effect.gen(function* () {
      yield* put(1, { status: "Pending", commandStatuses: ["Created"] })
      yield* put(2, { requestor: "other@contoso.com" })
      yield* put(3, { status: "Failed" })
      yield* put(4, { commandStatuses: ["Created"] })
      const actions: Array<string> = []
      const { events } = yield* follow({
        selection: {
          key,
          filter: ActionFilter.is("requestor", "soc@contoso.com"),
          isSelected: ({ status }) => status === "Succeeded",
        },
        onAction: ({ id }) => Effect.sync(() => void actions.push(id)),
      })
      yield* pass("2 minutes")
      assert.deepStrictEqual(events, [])
      assert.deepStrictEqual(yield* open, [1])
      yield* put(1)
      yield* pass("2 minutes")
      assert.deepStrictEqual(events, ["completed 1:0"])
      assert.deepStrictEqual(actions, [idAt(1)])
      assert.deepStrictEqual(yield* open, [])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("calls `onAction` before the results are downloaded, and ends with its failure, whatever it is", () =>
    Effect.gen(function* () {
      yield* put(1)
      const own = { _tag: "OfTheProgram" } as const
      const { events, fiber } = yield* follow({ onAction: () => Effect.fail(own) })
      yield* pass("1 minute")
      assert.strictEqual(yield* Effect.flip(Fiber.join(fiber)), own)
      assert.deepStrictEqual(events, [])
      assert.deepStrictEqual(yield* open, [1])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("downloads a failed result again as `Timing` says, and its action is open until then", () =>
    Effect.gen(function* () {
      yield* put(1, { commandStatuses: ["Completed", "Completed"], linkFaults: [absent, absent] })
      const { events } = yield* follow()
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* open, [1])
      yield* pass("5 minutes")
      assert.sameMembers(
        events,
        [0, 1].flatMap((index) => [`failed 1:${index}`, `failed 1:${index}`, `completed 1:${index}`]),
      )
      assert.deepStrictEqual(yield* open, [])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("gives up a result at the end of its schedule, and the next run downloads it", () =>
    Effect.gen(function* () {
      yield* put(1, { linkFaults: [absent, absent, absent] })
      const first = yield* follow()
      yield* pass("1 hour")
      assert.deepStrictEqual(first.events, ["failed 1:0", "failed 1:0", "failed 1:0", "gaveUp 1:0"])
      assert.deepStrictEqual(yield* open, [1])
      yield* Fiber.interrupt(first.fiber)
      const second = yield* follow()
      yield* pass("1 minute")
      assert.deepStrictEqual(second.events, ["resumed", "completed 1:0"])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.mergeAll(
          layer,
          Timing.layer({ retryFailed: Schedule.spaced("1 minute").pipe(Schedule.upTo({ times: 2 })) }),
        ),
      ),
    ),
  )

  it.effect("leaves a result that the API refuses to the next run", () =>
    Effect.gen(function* () {
      yield* put(1, { linkFaults: [{ fault: "status", status: 400 }] })
      const { events } = yield* follow()
      yield* pass("3 hours")
      assert.deepStrictEqual(events, ["failed 1:0"])
      assert.deepStrictEqual(yield* open, [1])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("reports a result as absent if the API answers 404 and the command may have none", () =>
    Effect.gen(function* () {
      yield* put(1, { commandStatuses: ["Unheard of"], isAbsent: true })
      const { events } = yield* follow()
      yield* pass("3 minutes")
      assert.deepStrictEqual(events, ["skipped 1:0"])
      assert.deepStrictEqual(yield* open, [])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("handles an action whose record lists an index twice", () =>
    Effect.gen(function* () {
      yield* put(1, { commandStatuses: ["Completed", "Completed"], indexes: [0, 0] })
      const { events } = yield* follow()
      yield* pass("3 minutes")
      assert.deepStrictEqual(events, ["completed 1:0"])
      assert.deepStrictEqual(yield* open, [])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("with `extract`, holds an action open until its files are unpacked", () =>
    Effect.gen(function* () {
      yield* put(1, { content: gzipSync("hello") })
      const { events } = yield* follow({ extract: { maxBytes: 1000, maxRatio: 100, ratioFrom: 1000 } }, (event) =>
        event.event === "extracted" ? Effect.never : Effect.void,
      )
      yield* pass("3 minutes")
      assert.deepStrictEqual(events, ["completed 1:0", "extracted 1:0"])
      assert.deepStrictEqual(yield* open, [1])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("handles an action only when the reader is done with the events of all its results", () =>
    Effect.gen(function* () {
      yield* put(1)
      yield* follow({}, (event) => (event.event === "completed" ? Effect.sleep("10 minutes") : Effect.void))
      yield* pass("9 minutes")
      assert.deepStrictEqual(yield* open, [1])
      yield* pass("3 minutes")
      assert.deepStrictEqual(yield* open, [])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("survives an hour without the API, once it was reached", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      yield* put(1)
      yield* put(2, { linkFaults: [absent] })
      const { events, fiber } = yield* follow()
      yield* pass("50 seconds")
      yield* simulator.outage(true)
      yield* pass("1 hour")
      yield* put(3, { created: 3600 })
      yield* simulator.outage(false)
      yield* pass("2 hours")
      assert.isUndefined(fiber.pollUnsafe())
      assert.sameMembers(
        events.filter((event) => event.startsWith("completed")),
        ["completed 1:0", "completed 2:0", "completed 3:0"],
      )
      assert.deepStrictEqual(yield* open, [])
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect.each([{ isGone: false }, { isGone: true }])(
    "ends when it is stopped in order, with the events of what it stored; API gone: $isGone",
    ({ isGone }) =>
      Effect.gen(function* () {
        const simulator = yield* Simulator.Simulator
        yield* put(1)
        const stop = yield* Deferred.make<void>()
        const { events, fiber } = yield* follow({ stop: Deferred.await(stop) })
        yield* pass("50 seconds")
        yield* simulator.outage(isGone)
        yield* pass("1 hour")
        assert.isUndefined(fiber.pollUnsafe())
        yield* Deferred.succeed(stop, undefined)
        yield* pass("1 second")
        assert.deepStrictEqual(fiber.pollUnsafe(), Exit.void)
        assert.include(events, "completed 1:0")
      }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  it.effect("fails if the API was never reached, or the position cannot be saved", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      yield* simulator.outage(true)
      const first = yield* follow()
      yield* pass("20 minutes")
      assert.include(yield* messageOf(first.fiber), "the API is unavailable")
      yield* simulator.outage(false)
      const full = Layer.succeed(FollowPosition.FollowPosition, {
        find: () => Effect.succeedNone,
        save: () => new StoreError({ path: "positions", problem: "DiskFull", detail: "" }),
      })
      const second = yield* Effect.provide(follow(), full)
      yield* pass("20 minutes")
      assert.match(yield* messageOf(second.fiber), /^positions: the disk is full/)
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )

  const error = new DefenderError({ operation: "link", reason: new Unreachable({ description: "gone" }) })
  for (const [last, isRetried] of [
    [new NetworkDown({ failures: 10, last: error }), true],
    [new NetworkDown({ failures: 1, last: error, waited: Duration.hours(1) }), false],
    [new StorageRefused({ links: 5, last: error }), false],
  ] as const) {
    it.effect(`${isRetried ? "starts again after" : "fails with"} what ends a batch: ${last.message}`, () =>
      Effect.gen(function* () {
        const { events, fiber } = yield* follow()
        yield* pass("10 minutes")
        if (isRetried) {
          assert.deepStrictEqual(events.slice(0, 4), ["unavailable", "resumed", "unavailable", "resumed"])
          assert.isUndefined(fiber.pollUnsafe())
        } else {
          assert.deepStrictEqual(events, [])
          assert.strictEqual(yield* messageOf(fiber), last.message)
        }
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.effect(
            LiveResponse,
            Effect.map(LiveResponse, (live) => ({
              ...live,
              saveAll: (refs) =>
                Stream.merge(Stream.drain(refs), Stream.fromEffect(Effect.delay(Effect.fail(last), "1 minute"))),
            })),
          ).pipe(Layer.provideMerge(layer)),
        ),
      ),
    )
  }

  it.effect("records what it downloads in the manifest", () =>
    Effect.gen(function* () {
      yield* put(1)
      yield* follow()
      yield* pass("1 minute")
      const found = yield* (yield* Manifest.Manifest).find(decodeRef(`${idAt(1)}:0`))
      assert.strictEqual(Option.getOrUndefined(found)?.status, "completed")
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )
})
