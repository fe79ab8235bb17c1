import { assert, describe, it } from "@effect/vitest"
import { Fleet } from "@live-response/core/Fleet"
import { FleetJournal } from "@live-response/core/FleetJournal"
import * as Follow from "@live-response/core/Follow"
import * as FollowPosition from "@live-response/core/FollowPosition"
import { LiveResponse } from "@live-response/core/LiveResponse"
import { Manifest } from "@live-response/core/Manifest"
import { Quota } from "@live-response/core/Quota"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Session from "@live-response/core/Session"
import { StoreError } from "@live-response/core/StoreError"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { utf8 } from "./support/bytes.ts"
import { refsUpTo } from "./support/refs.ts"

/** Downloads some results, and returns the events and the time that it took. */
const saveAll = (count: number) =>
  Effect.gen(function* () {
    const simulator = yield* Simulator
    const refs = refsUpTo(count)
    yield* Effect.forEach(refs, (ref) => simulator.add(ref, { content: utf8("hello") }))
    const startedAt = yield* Clock.currentTimeMillis
    const live = yield* LiveResponse
    const events = yield* Effect.result(Stream.runCollect(live.saveAll(Stream.fromIterable(refs))))
    return { events, millis: (yield* Clock.currentTimeMillis) - startedAt }
  }).pipe((effect) => LiveResponseTest.inVirtualTime(effect))

describe("LiveResponseTest.layer", () => {
  it.effect("uses the store of its options", () => {
    const full = new StoreError({ path: "/full", problem: "DiskFull", detail: "ENOSPC" })
    const store = Layer.succeed(ResultStore.ResultStore, {
      open: () => Effect.fail(full),
      has: () => Effect.succeed(false),
      read: () => Stream.empty,
      write: () => Effect.fail(full),
    })
    return Effect.gen(function* () {
      const { events } = yield* saveAll(1)
      assert.strictEqual(events._tag === "Failure" && events.failure, full)
    }).pipe(Effect.provide(LiveResponseTest.layer({ store })))
  })

  it.effect("uses the manifest, the journal and the positions of its options", () => {
    const full = new StoreError({ path: "/full", problem: "DiskFull", detail: "ENOSPC" })
    const manifest = Layer.succeed(Manifest, {
      find: () => Effect.fail(full),
      failed: Effect.fail(full),
      append: () => Effect.fail(full),
    })
    const journal = Layer.succeed(FleetJournal, { open: () => Effect.fail(full) })
    const positions = Layer.succeed(FollowPosition.FollowPosition, {
      find: () => Effect.fail(full),
      save: () => Effect.fail(full),
    })
    const session = Session.Session.make({
      commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
      comment: "case 4711",
    })
    const following = Follow.run({
      selection: { key: FollowPosition.makeKey({ type: ["LiveResponse"] }) },
      since: DateTime.makeUnsafe(0),
    })
    return Effect.gen(function* () {
      const { events } = yield* saveAll(1)
      assert.strictEqual(events._tag === "Failure" && events.failure, full)
      const { run } = yield* Fleet
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(run(Stream.empty, session))), full)
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(following)), full)
    }).pipe(Effect.provide(LiveResponseTest.layer({ manifest, journal, positions })))
  })

  it.effect("uses the quota windows of its options", () => {
    const windows = [QuotaRule.Window.make({ limit: 2, duration: Duration.minutes(10) })]
    return Effect.gen(function* () {
      const { millis } = yield* saveAll(5)
      assert.isAtLeast(millis, Duration.toMillis("20 minutes"))
      const status = yield* (yield* Quota).status
      assert.deepStrictEqual(
        status.windows.map(({ limit }) => limit),
        [2],
      )
    }).pipe(Effect.provide(LiveResponseTest.layer({ windows })))
  })

  it.effect("uses memory and the windows of the service by default", () =>
    Effect.gen(function* () {
      const { events, millis } = yield* saveAll(5)
      assert.strictEqual(events._tag, "Success")
      assert.isBelow(millis, 1000)
      const status = yield* (yield* Quota).status
      assert.deepStrictEqual(
        status.windows.map(({ limit }) => limit),
        [100, 1500],
      )
    }).pipe(Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("shares nothing with another one in the same program", () =>
    Effect.gen(function* () {
      const [ref] = refsUpTo(1)
      assert.isDefined(ref)
      yield* (yield* Simulator).add(ref, { content: utf8("of the first") })
      const save = LiveResponse.use((live) => live.save(ref))
      const other = Effect.flatMap(Simulator, (simulator) =>
        Effect.andThen(simulator.add(ref, { content: utf8("other") }), save),
      )
      assert.strictEqual((yield* Effect.provide(other, LiveResponseTest.layer())).bytes, "other".length)
      assert.strictEqual((yield* save).bytes, "of the first".length)
    }).pipe(Effect.provide(LiveResponseTest.layer())),
  )
})

describe("LiveResponseTest.layerTestClock", () => {
  /** Keeps this fiber runnable for a while of real time, as a loaded machine does. */
  const busy = Effect.gen(function* () {
    const realTime = TestClock.withLive(Clock.currentTimeMillis)
    const end = (yield* realTime) + 1200
    while ((yield* realTime) < end) yield* Effect.yieldNow
  })

  it.effect("passes no time while a fiber runs for longer than Effect's own clock waits", () =>
    Effect.gen(function* () {
      const millis = yield* LiveResponseTest.inVirtualTime(Effect.andThen(busy, Clock.currentTimeMillis))
      assert.strictEqual(millis, 1)
    }).pipe(Effect.provide(LiveResponseTest.layerTestClock)),
  )
})
