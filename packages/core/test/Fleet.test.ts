import { assert, describe, it } from "@effect/vitest"
import { Fleet, metrics, type RunOptions } from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import { LiveResponse } from "@live-response/core/LiveResponse"
import * as ResultRef from "@live-response/core/ResultRef"
import * as Session from "@live-response/core/Session"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { earliestEnd, machineAt, machineIds, machines } from "./support/fleets.ts"
import { oneEach, sessionsOf } from "./support/network.ts"

const { inVirtualTime } = LiveResponseTest

const session = Session.Session.make({
  commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
  comment: "case 4711",
})

const seconds = (n: number) => Duration.seconds(n)

/** Runs the session on machines and saves every result. Returns the events with their times, and the calls of the service. */
const collect = Effect.fnUntraced(function* (ids: ReadonlyArray<string>, options?: RunOptions) {
  const { run } = yield* Fleet
  const { saveAll } = yield* LiveResponse
  const startedAt = yield* Clock.currentTimeMillis
  const events: Array<{ readonly at: number; readonly event: FleetEvent }> = []
  const saved: Array<string> = []
  const results = run(Stream.fromIterable(ids), session, options).pipe(
    Stream.tap((event) =>
      Effect.map(Clock.currentTimeMillis, (now) => events.push({ at: (now - startedAt) / 1000, event })),
    ),
    Stream.flatMap((event) => Stream.fromIterable(event.event === "ended" ? ResultRef.ofAction(event.action) : [])),
  )
  yield* Stream.runForEach(saveAll(results, { concurrency: 16 }), (event) =>
    Effect.sync(() => (event.event === "completed" ? saved.push(`${event.machineActionId}:${event.index}`) : 0)),
  )
  const took = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  const calls = yield* (yield* Simulator.Simulator).calls
  return { events, saved, took, calls }
})

const kinds = (events: ReadonlyArray<{ readonly event: FleetEvent }>) => {
  const counts: Record<string, number> = {}
  for (const { event } of events) counts[event.event] = (counts[event.event] ?? 0) + 1
  return counts
}

const is =
  <K extends FleetEvent["event"]>(kind: K) =>
  (event: FleetEvent): event is Extract<FleetEvent, { readonly event: K }> =>
    event.event === kind

/** The events of one kind with their times. */
const only = <K extends FleetEvent["event"]>(
  events: ReadonlyArray<{ readonly at: number; readonly event: FleetEvent }>,
  kind: K,
) => events.flatMap(({ at, event }) => (is(kind)(event) ? [{ ...event, at }] : []))

const over = (options: Simulator.Options) => Effect.provide(LiveResponseTest.layer(options))

describe("Fleet.run", () => {
  for (const [count, length] of [
    [100, 41],
    [500, 153],
    [100, 333],
  ] as const) {
    it.effect(
      `${count} machines whose sessions take ${length} s: at most 1.02 of the bound, and no call is refused`,
      () =>
        Effect.gen(function* () {
          const { calls, saved, took } = yield* inVirtualTime(collect(machineIds(count)), "2 days")
          assert.strictEqual(new Set(saved).size, count)
          assert.isAtMost(took / earliestEnd(count, length), 1.02)
          assert.deepStrictEqual(
            calls.filter(({ status }) => status >= 400),
            [],
          )
        }).pipe(Effect.provide(LiveResponseTest.layer({ machines: machines(count), commandTime: seconds(length) }))),
    )
  }

  it.effect("runs the session once on a machine that is named twice, and saves its results", () =>
    Effect.gen(function* () {
      const { events, saved } = yield* inVirtualTime(collect([...machineIds(3), ...machineIds(3)]))
      assert.deepStrictEqual(kinds(events), { started: 3, ended: 3, sessions: 1 })
      assert.deepStrictEqual(events.at(-1)?.event.event, "sessions")
      assert.strictEqual(saved.length, 3)
      assert.deepStrictEqual(yield* inVirtualTime(sessionsOf), oneEach(3))
    }).pipe(over({ machines: machines(3) })),
  )

  it.effect("runs the session once on a machine that two runs name at the same time, and both report it", () =>
    Effect.gen(function* () {
      const two = Effect.all([collect(machineIds(25)), collect(machineIds(30))], { concurrency: 2 })
      const [first, second] = yield* inVirtualTime(two)
      assert.deepStrictEqual(kinds(first.events), { started: 25, ended: 25, sessions: 1 })
      const { ended, sessions } = kinds(second.events)
      assert.deepStrictEqual({ ended, sessions }, { ended: 30, sessions: 1 })
      assert.strictEqual(new Set([...first.saved, ...second.saved]).size, 30)
      assert.deepStrictEqual(yield* inVirtualTime(sessionsOf), oneEach(30))
    }).pipe(over({ machines: machines(30) })),
  )

  it.effect("finishes although nobody reads the events of another run of the session meanwhile", () =>
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const one = Stream.suspend(() => run(Stream.fromIterable(machineIds(200)), session))
      let other: number | undefined
      const readsOther = Effect.suspend(() =>
        other === undefined
          ? Effect.map(Stream.runCount(one), (count) => {
              other = count
            })
          : Effect.void,
      )
      yield* inVirtualTime(
        Effect.timeout(
          Stream.runForEach(one, () => readsOther),
          "1 day",
        ),
        "2 days",
      )
      assert.isAtLeast(other ?? 0, 200)
      assert.deepStrictEqual(yield* inVirtualTime(sessionsOf), oneEach(200))
    }).pipe(over({ machines: machines(200) })),
  )

  it.effect("waits for another run of the session on a machine no longer than until its deadline", () =>
    Effect.gen(function* () {
      const other = yield* Effect.forkChild(Effect.delay(collect(machineIds(50), { sessions: 1 }), "1 milli"))
      const { events, took } = yield* inVirtualTime(
        Effect.delay(collect(machineIds(50), { deadline: "2 seconds" }), "1 second"),
        "10 seconds",
      )
      assert.isAtMost(took, 4)
      assert.strictEqual(kinds(events).sessions, 1)
      const messages = only(events, "notStarted").map(({ message }) => message)
      assert.isTrue(messages.some((message) => message.includes("another run was still starting it at the deadline")))
      yield* Fiber.interrupt(other)
    }).pipe(over({ machines: machines(50) })),
  )

  it.effect("runs sessions on other machines while some are offline", () =>
    Effect.gen(function* () {
      const { calls, events } = yield* inVirtualTime(collect(machineIds(120)), "3 days")
      const ended = only(events, "ended")
      const isOffline = ({ machineId }: { readonly machineId: string }) => parseInt(machineId, 16) < 60
      const online = ended.filter((event) => !isOffline(event))
      assert.strictEqual(online.length, 60)
      assert.strictEqual(only(events, "offline").length, 60)
      // 120 starts take twelve minutes, and the last sessions a minute or two more.
      assert.isAtMost(Math.max(...online.map(({ at }) => at)), 15 * 60)
      const late = ended.filter(isOffline)
      assert.strictEqual(late.length, 60)
      assert.isAtMost(Math.max(...late.map(({ at }) => at)), 40 * 60 + 200)
      // Offline machines are polled once a minute, 25 of them with one call.
      assert.isAtMost(calls.filter(({ kind }) => kind === "list").length, 15 * 20 + 4 * 40)
    }).pipe(over({ machines: machines(120, (n) => (n < 60 ? { offline: "40 minutes" } : {})) })),
  )

  it.effect("ends at the deadline, reports unfinished sessions, and waits for them in the next run", () =>
    Effect.gen(function* () {
      const first = yield* inVirtualTime(collect(machineIds(15), { deadline: "30 seconds", sessions: 12 }))
      assert.deepStrictEqual(kinds(first.events), { started: 10, unfinished: 10, notStarted: 5, sessions: 1 })
      assert.strictEqual(first.took >= 30 && first.took < 70, true, `it took ${first.took} s`)
      assert.include(only(first.events, "unfinished")[0]?.message, "continues")
      const second = yield* inVirtualTime(collect(machineIds(15)))
      assert.strictEqual(only(second.events, "started").filter(({ as }) => as === "resumed").length, 10)
      assert.strictEqual(only(second.events, "ended").length, 15)
      assert.deepStrictEqual(yield* inVirtualTime(sessionsOf), oneEach(15))
    }).pipe(over({ machines: machines(15), commandTime: "1 minute" })),
  )

  it.effect("ends when the last session has started, with `wait: false`", () =>
    Effect.gen(function* () {
      const { events, took } = yield* inVirtualTime(collect(machineIds(12), { wait: false }))
      assert.strictEqual(only(events, "started").length, 12)
      assert.isAtMost(took, 61)
    }).pipe(over({ machines: machines(12), commandTime: "1 hour" })),
  )

  it.effect("searches for a session whose answer was lost, and starts none twice", () =>
    Effect.gen(function* () {
      const { events } = yield* inVirtualTime(collect(machineIds(4)))
      assert.strictEqual(only(events, "ended").length, 4)
      assert.deepStrictEqual(
        only(events, "started")
          .map(({ as }) => as)
          .sort(),
        ["new", "new", "resumed", "resumed"],
      )
      assert.deepStrictEqual(yield* inVirtualTime(sessionsOf), oneEach(4))
    }).pipe(
      over({
        machines: machines(4),
        runFaults: [{ fault: "lost" }, { fault: "none" }, { fault: "status", status: 503 }, { fault: "lost" }],
      }),
    ),
  )

  it.effect("gives up a machine whose requests never arrive, and tries again in the next run", () =>
    Effect.gen(function* () {
      const first = yield* inVirtualTime(collect(machineIds(1)))
      assert.deepStrictEqual(kinds(first.events), { notStarted: 1, sessions: 1 })
      assert.strictEqual(first.calls.filter(({ kind }) => kind === "run").length, 3)
      const second = yield* inVirtualTime(collect(machineIds(1)))
      assert.deepStrictEqual(kinds(second.events), { started: 1, ended: 1, sessions: 1 })
    }).pipe(
      over({ machines: machines(1), runFaults: Array.from({ length: 3 }, () => ({ fault: "status", status: 500 })) }),
    ),
  )

  it.effect("names the session in progress on a machine, or with `adopt` waits for it", () =>
    Effect.gen(function* () {
      const plain = yield* inVirtualTime(collect(machineIds(1)), "1 minute")
      const [refused] = only(plain.events, "notStarted")
      assert.match(
        refused?.message ?? "",
        /another session is in progress on the machine \(machine action [0-9a-f-]{36}\)/,
      )
      const adopting = yield* inVirtualTime(collect(machineIds(1), { adopt: true }))
      assert.strictEqual(only(adopting.events, "started")[0]?.as, "adopted")
      const [ended] = only(adopting.events, "ended")
      assert.strictEqual(ended?.action.requestorComment, "somebody else's")
      assert.strictEqual(adopting.saved.length, 1)
    }).pipe(over({ machines: machines(1, () => ({ busy: "5 minutes" })) })),
  )

  it.effect("reports what the service refuses, and runs the other sessions", () =>
    Effect.gen(function* () {
      const { events } = yield* inVirtualTime(collect([...machineIds(3), "f".repeat(40)]))
      assert.deepStrictEqual(kinds(events), { started: 2, ended: 2, notStarted: 2, sessions: 1 })
      const messages = only(events, "notStarted").map(({ message }) => message)
      assert.include(messages[0], "not supported on this machine's version of Windows")
      assert.include(messages[1], "not found")
    }).pipe(over({ machines: machines(3, (n) => (n === 0 ? { unsupported: true } : {})) })),
  )

  it.effect("counts sessions by their outcome, and measures how long they took", () =>
    Effect.gen(function* () {
      const ids = [...machineIds(4), "f".repeat(40)]
      const counts = Effect.forEach(["succeeded", "failed", "unfinished", "not_started"], (outcome) =>
        Effect.map(Metric.value(Metric.withAttributes(metrics.sessions, { outcome })), ({ count }) => count),
      )
      yield* inVirtualTime(collect(ids, { deadline: "5 minutes" }))
      assert.deepStrictEqual(yield* counts, [2, 1, 1, 1])
      const { count, max, min } = yield* Metric.value(metrics.sessionDuration)
      assert.strictEqual(count, 3)
      assert.isAtLeast(min, 30)
      assert.isAtMost(max, 50)
      // The sessions of an earlier run are not counted again.
      yield* inVirtualTime(collect(ids, { deadline: "5 minutes" }))
      assert.deepStrictEqual(yield* counts, [2, 1, 2, 2])
    }).pipe(
      over({
        machines: machines(4, (n) => (n === 0 ? { scriptError: "no" } : n === 1 ? { offline: Duration.infinity } : {})),
        offlineTimeout: "3 days",
      }),
      Effect.provideService(Metric.MetricRegistry, new Map()),
    ),
  )

  it.effect("has a span for the run, and for each session with the ids of its machine and its action", () => {
    const spans: Array<Tracer.Span> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      },
    })
    const named = (name: string) => spans.filter((span) => span.name === name)
    return Effect.gen(function* () {
      const { events } = yield* inVirtualTime(collect(machineIds(2)))
      const started = only(events, "started")
      assert.strictEqual(named("Fleet.run").length, 1)
      assert.sameMembers(
        named("Fleet.startSession").map(({ attributes }) => attributes.get("live_response.machine.id")),
        machineIds(2),
      )
      assert.sameDeepMembers(
        named("Fleet.followSession").map(({ attributes }) => [
          attributes.get("live_response.machine.id"),
          attributes.get("live_response.action.id"),
        ]),
        started.map(({ machineActionId, machineId }) => [machineId, machineActionId]),
      )
    }).pipe(over({ machines: machines(2) }), Effect.provideService(Tracer.Tracer, tracer))
  })

  it.effect("leaves failed sessions as they are without `retryFailed`", () =>
    Effect.gen(function* () {
      const first = yield* inVirtualTime(collect(machineIds(2)))
      assert.deepInclude(first.events.at(-1)?.event, { started: 2, succeeded: 1, failed: 1 })
      const second = yield* inVirtualTime(collect(machineIds(2)))
      assert.deepStrictEqual(
        only(second.events, "ended").map(({ earlier }) => earlier),
        [true, true],
      )
      assert.strictEqual(second.calls.filter(({ kind }) => kind === "run").length, 2)
      const third = yield* inVirtualTime(collect(machineIds(2), { retryFailed: true }))
      assert.deepStrictEqual(
        only(third.events, "ended")
          .map(({ earlier }) => earlier)
          .sort(),
        [false, true],
      )
      assert.deepStrictEqual(yield* inVirtualTime(sessionsOf), { ...oneEach(2), [machineAt(0)]: 2 })
    }).pipe(over({ machines: machines(2, (n) => (n === 0 ? { scriptError: "no" } : {})) })),
  )

  it.effect("starts another session for other commands or another comment", () =>
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const other = Session.Session.make({ ...session, comment: "case 4712" })
      for (const each of [session, other, Session.Session.make({ ...other })]) {
        yield* inVirtualTime(Stream.runDrain(run(Stream.fromIterable(machineIds(1)), each)))
      }
      assert.deepStrictEqual(yield* inVirtualTime(sessionsOf), { [machineAt(0)]: 2 })
    }).pipe(over({ machines: machines(1) })),
  )

  it.effect("waits while other sessions of the tenant use up the limit", () =>
    Effect.gen(function* () {
      const { events } = yield* inVirtualTime(collect(machineIds(40).slice(25)))
      assert.strictEqual(only(events, "ended").length, 15)
      assert.isAtLeast(only(events, "started")[0]?.at ?? 0, 1200)
    }).pipe(over({ machines: machines(40, (n) => (n < 25 ? { busy: "20 minutes" } : {})), sessions: 25 })),
  )

  it.effect("ends at once without the permission to run sessions", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(inVirtualTime(collect(machineIds(100))))
      assert.include(String(exit), "permission is missing")
      const calls = yield* (yield* Simulator.Simulator).calls
      assert.isAtMost(calls.length, 10)
    }).pipe(
      over({
        machines: machines(100),
        runFaults: Array.from({ length: 100 }, () => ({ fault: "status", status: 403, code: "Forbidden" })),
      }),
    ),
  )
})
