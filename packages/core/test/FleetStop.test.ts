/** `Fleet.run` that is stopped. */
import { assert, describe, it } from "@effect/vitest"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Fleet } from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { machineIds, machines } from "./support/fleets.ts"
import { notRenewed, oneEach, overService, program, refusal, session, sessionsOf } from "./support/network.ts"

const { inVirtualTime } = LiveResponseTest

describe("Fleet.run with stop", () => {
  it.effect("emits each session that has started, and the summary, although nobody had read its event by then", () =>
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const stopped = yield* Deferred.make<void>()
      const events: Array<FleetEvent> = []
      const all = Stream.suspend(() =>
        run(Stream.fromIterable(machineIds(150)), session, { stop: Deferred.await(stopped), sessions: 150 }),
      )
      /** Reads the second event when no further session can start. */
      const read = Effect.fnUntraced(function* (event: FleetEvent) {
        events.push(event)
        if (events.length > 1) return
        yield* Effect.sleep("30 minutes")
        yield* Deferred.succeed(stopped, undefined)
        // The run ends before another event is read.
        yield* Effect.sleep("1 minute")
      })
      yield* inVirtualTime(Stream.runForEach(all, read), "40 minutes")
      const started = events.flatMap((event) => (event.event === "started" ? [event.machineId] : []))
      const existing = Object.keys(yield* sessionsOf)
      assert.isAbove(existing.length, 1)
      assert.isBelow(existing.length, 150)
      assert.deepStrictEqual(started.toSorted(), existing.toSorted())
      assert.deepInclude(events.at(-1), { event: "sessions", started: existing.length })
    }).pipe(
      Effect.provide(
        program(() => ({})),
        { local: true },
      ),
      overService({ machines: machines(150), commandTime: "1 minute", visibleAfter: 0 }),
    ),
  )

  /** Runs the session on these machines, and stops after this time. Returns the events, and the sessions that exist. */
  const stoppedAfter = Effect.fnUntraced(function* (time: Duration.Input, count: number) {
    const { run } = yield* Fleet
    const all = run(Stream.fromIterable(machineIds(count)), session, { stop: Effect.sleep(time) })
    const events = yield* inVirtualTime(Stream.runCollect(all), "1 day")
    return { events, existing: yield* sessionsOf }
  })

  const service = { machines: machines(3), commandTime: "3 hours", visibleAfter: 0 } as const

  it.effect("says which sessions may have started: those whose answer has not arrived", () =>
    Effect.gen(function* () {
      const { events, existing } = yield* stoppedAfter("1 minute", 3)
      assert.deepStrictEqual(existing, oneEach(3))
      assert.deepStrictEqual(
        events.map((event) => [event.event, "mayHaveStarted" in event]),
        [
          ["started", false],
          ["notStarted", true],
          ["notStarted", true],
          ["sessions", false],
        ],
      )
      assert.deepInclude(events.at(-1), { started: 1, notStarted: 2, unfinished: 1 })
      const machineId = events.flatMap((event) => (event.event === "notStarted" ? [event] : [])).at(0)?.machineId ?? ""
      assert.deepInclude(events[1], {
        message: `live response on ${machineId}: whether it has started is not known, because the run ended before the service said so`,
      })
    }).pipe(
      Effect.provide(
        program(({ kind, nth }) => (kind === "run" && nth > 0 ? { after: "2 hours" } : {})),
        { local: true },
      ),
      overService(service),
    ),
  )

  it.effect.each([
    // The request is lost, the search takes some minutes, and the next request has no connection.
    { name: "not found, and unsent since", first: refusal(504, "GatewayTimeout"), others: "no connection" },
    { name: "never sent", first: "no connection", others: "no connection" },
    { name: "throttled", first: refusal(429, "TooManyRequests"), others: refusal(429, "TooManyRequests") },
  ] as const)("says nothing of a session that has certainly not started: $name", ({ first, others }) =>
    Effect.gen(function* () {
      const { events, existing } = yield* stoppedAfter("50 minutes", 1)
      assert.deepStrictEqual(existing, {})
      assert.deepStrictEqual(
        events.filter((event) => "mayHaveStarted" in event),
        [],
      )
    }).pipe(
      Effect.provide(
        program(({ kind, nth }) => (kind === "run" ? { instead: nth === 0 ? first : others } : {})),
        { local: true },
      ),
      overService(service),
    ),
  )

  it.effect("says nothing of a session that was refused with a 401, while the token is renewed", () =>
    Effect.gen(function* () {
      const { events, existing } = yield* stoppedAfter("50 minutes", 1)
      assert.deepStrictEqual(existing, {})
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["sessions"],
      )
    }).pipe(
      Effect.provide(
        program(({ kind }) => (kind === "run" ? { instead: refusal(401, "Unauthorized") } : {}), notRenewed),
        { local: true },
      ),
      overService(service),
    ),
  )

  it.effect("says nothing of a session that an earlier run requested, once it was searched for and not found", () =>
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const [lost = "", other = ""] = machineIds(2)
      const killed = run(Stream.make(lost), session).pipe(Stream.runDrain, Effect.timeoutOption("1 minute"))
      yield* inVirtualTime(killed, "1 hour")
      const all = run(Stream.make(other, lost), session, { stop: Effect.sleep("50 minutes"), sessions: 1 })
      const events = yield* inVirtualTime(Stream.runCollect(all), "1 day")
      assert.deepStrictEqual(yield* sessionsOf, { [other]: 1 })
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["started", "sessions"],
      )
    }).pipe(
      Effect.provide(
        // The first request is lost. The other session has the only slot, so the lost one is not requested again.
        program(({ kind, nth }) =>
          kind === "run" && nth === 0 ? { before: "2 hours", instead: refusal(504, "GatewayTimeout") } : {},
        ),
        { local: true },
      ),
      overService(service),
    ),
  )

  it.effect("says it of a session that an earlier run requested, while it is searched for", () =>
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const killed = run(Stream.fromIterable(machineIds(1)), session).pipe(
        Stream.runDrain,
        Effect.timeoutOption("1 minute"),
      )
      yield* inVirtualTime(killed, "1 hour")
      const { events } = yield* stoppedAfter("1 minute", 1)
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["notStarted", "sessions"],
      )
      assert.deepInclude(events[0], { mayHaveStarted: true })
    }).pipe(
      Effect.provide(
        program(({ kind }) => (kind === "other" ? {} : { after: "2 hours" })),
        { local: true },
      ),
      overService(service),
    ),
  )

  it.effect("ends while the journal can't be written, and emits the session that it does not have", () => {
    const journal = Layer.effect(
      FleetJournal.FleetJournal,
      Effect.map(FleetJournal.FleetJournal, ({ open }) => ({
        open: (session) =>
          Effect.map(open(session), (run) => ({
            ...run,
            append: (entry) => (entry.entry === "started" ? Effect.never : run.append(entry)),
          })),
      })),
    ).pipe(Layer.provide(FleetJournal.layerMemory))
    return Effect.gen(function* () {
      const { run } = yield* Fleet
      const all = run(Stream.fromIterable(machineIds(1)), session, { stop: Effect.sleep("1 hour") })
      const events = yield* inVirtualTime(Stream.runCollect(all), "2 hours")
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["started", "sessions"],
      )
    }).pipe(Effect.provide(LiveResponseTest.layer({ machines: machines(1), journal })))
  })
})
