/** A run whose network is down. */
import { assert, describe, it } from "@effect/vitest"
import * as ActionWatch from "@live-response/core/ActionWatch"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Fleet from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as Quota from "@live-response/core/Quota"
import { Reporter } from "@live-response/core/Reporter"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { failureOf } from "./support/events.ts"
import { machineIds, machines } from "./support/fleets.ts"
import { kinds, oneEach, overService, session, sessionsOf, token } from "./support/network.ts"
import { wire } from "./support/wire.ts"

const minute = 60_000

const world = ({ layer }: ReturnType<typeof wire>) =>
  Fleet.layer.pipe(
    Layer.provideMerge(ActionWatch.layer),
    Layer.provideMerge(DefenderApi.layer({ base: "http://127.0.0.1" })),
    Layer.provideMerge([layer, Credential.layerToken(Redacted.make(token)), Quota.layer()]),
  )

const goneBetween = (from: number, to: number) =>
  wire(({ at }) => (at >= from && at < to ? { code: "ECONNREFUSED" } : undefined))

/** Runs a session on machines, and records the reports about the network. */
const runOn = (count: number, net: ReturnType<typeof wire>, options: Fleet.RunOptions = {}) =>
  Effect.gen(function* () {
    const events: Array<FleetEvent> = []
    const offline: Array<string> = []
    const { run } = yield* Fleet.Fleet
    const [took, exit] = yield* run(Stream.fromIterable(machineIds(count)), session, options).pipe(
      Stream.runForEach((event) => Effect.sync(() => events.push(event))),
      Effect.provideService(Reporter, (event) =>
        Effect.sync(() => {
          if (event.event === "offline") offline.push(event.message)
        }),
      ),
      Effect.exit,
      Effect.timed,
    )
    return { events, exit, offline, took }
  }).pipe(Effect.provide(world(net), { local: true }), (effect) => LiveResponseTest.inVirtualTime(effect, "2 days"))

describe("Fleet.run while the network is down", () => {
  it.effect("waits for the network, then starts the other sessions", () => {
    const net = goneBetween(2 * minute, 12 * minute)
    return Effect.gen(function* () {
      const { events, exit, offline } = yield* runOn(30, net)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(kinds(events), { started: 30, ended: 30, sessions: 1 })
      assert.deepStrictEqual(yield* sessionsOf, oneEach(30))
      assert.include(offline[0], "the API can't be reached")
    }).pipe(overService({ machines: machines(30), commandTime: "3 seconds" }))
  })

  it.effect("ends after `giveUpAfter` while it only watches sessions, and reports when it tries again", () => {
    const net = goneBetween(5 * minute, 600 * minute)
    return Effect.gen(function* () {
      const { exit, offline, took } = yield* runOn(3, net, { giveUpAfter: "10 minutes" })
      assert.include((yield* failureOf(exit)).message, "gave up after 10m")
      assert.isAtMost(Duration.toMinutes(took), 17)
      // The intervals grow up to a minute.
      assert.isAtLeast(offline.length, 5)
      assert.isAtMost(offline.length, 20)
    }).pipe(overService({ machines: machines(3), commandTime: "2 hours" }))
  })

  it.effect("ends after `giveUpAfter`, and the next run does not search for requests that were not sent", () => {
    const net = goneBetween(0, 60 * minute)
    return Effect.gen(function* () {
      const { events, exit, took } = yield* runOn(3, net, { giveUpAfter: "10 minutes" })
      assert.include((yield* failureOf(exit)).message, "gave up after 10m")
      assert.isAtMost(Duration.toMinutes(took), 11)
      const messages = events.flatMap((event) => (event.event === "notStarted" ? [event.message] : []))
      assert.isNotEmpty(messages)
      for (const message of messages) assert.notInclude(message, "not known")

      // No session can exist, so the next run requests it at once.
      const later = yield* runOn(3, goneBetween(0, 0))
      assert.deepInclude(kinds(later.events), { started: 3, ended: 3 })
      assert.deepStrictEqual(yield* sessionsOf, oneEach(3))
    }).pipe(overService({ machines: machines(3), commandTime: "3 seconds" }))
  })

  it.effect("ends soon after its deadline", () => {
    const net = goneBetween(0, 60 * minute)
    return Effect.gen(function* () {
      const { events, exit, took } = yield* runOn(3, net, { deadline: "10 minutes" })
      assert.isTrue(Exit.isSuccess(exit))
      assert.isAtMost(Duration.toMinutes(took), 14)
      assert.deepInclude(kinds(events), { notStarted: 3 })
    }).pipe(overService({ machines: machines(3), commandTime: "3 seconds" }))
  })
})
