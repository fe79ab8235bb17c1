/** Runs that are killed and answers that are lost, while the service keeps running. */
import { assert, describe, it } from "@effect/vitest"
import { Fleet, type RunOptions } from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as ResultRef from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { seededRandom } from "./support/seededRandom.ts"
import { type Disk, makeDisk } from "./support/disk.ts"
import { machineIds, machines } from "./support/fleets.ts"
import {
  kinds,
  mostAtOnce,
  oneEach,
  overService,
  page,
  program,
  refusal,
  run,
  session,
  sessionsOf,
  type Sent,
  type Weather,
} from "./support/network.ts"

const { inVirtualTime } = LiveResponseTest

/** A network and a service with random failures of all kinds. */
const storm =
  (roll: () => number) =>
  ({ kind }: Sent): Weather => {
    const way = { before: 4000 * roll() ** 2, after: 4000 * roll() ** 2 }
    const luck = roll()
    if (kind === "run") {
      if (luck < 0.08) return { ...way, answer: "no connection" }
      if (luck < 0.14) return { ...way, answer: page(504, "<html>gateway</html>") }
      if (luck < 0.18) return { ...way, answer: page(200, "<html>please wait</html>") }
      if (luck < 0.24) return { ...way, instead: page(503, "") }
      if (luck < 0.28) return { ...way, instead: "no connection" }
      if (luck < 0.3) return { ...way, instead: refusal(429, "TooManyRequests", "Try again in 3 seconds.") }
      return way
    }
    if (luck < 0.05) return { ...way, instead: page(503, "") }
    return luck < 0.1 ? { ...way, answer: "no connection" } : way
  }

/**
 * Runs until each machine has had its session, and returns the events of the last run. The delays between attempts are random
 * whatever the weather: in one of fifty storms all three attempts of a machine fail, and the next run tries it again.
 */
const untilEachEnded = Effect.fnUntraced(function* (
  weather: (sent: Sent) => Weather,
  ids: ReadonlyArray<string>,
  options: RunOptions = {},
) {
  const events: Array<FleetEvent> = []
  do {
    events.length = 0
    yield* Effect.ignore(run(weather, ids, options, events))
  } while (kinds(events)["ended"] !== ids.length)
  return events
})

describe("Fleet.run that is killed repeatedly", () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it.effect(`gives every machine one session (${seed})`, () =>
      Effect.gen(function* () {
        const roll = seededRandom(seed)
        const ids = machineIds(20)
        const events = yield* inVirtualTime(
          Effect.gen(function* () {
            for (let kill = 0; kill < 12; kill++) {
              const running = yield* Effect.forkChild(Effect.ignore(run(storm(roll), ids)))
              yield* Effect.sleep(roll() < 0.5 ? 5000 * roll() : 200_000 * roll())
              yield* Fiber.interrupt(running)
              yield* Effect.sleep(roll() < 0.5 ? 0 : 60_000 * roll())
            }
            return yield* untilEachEnded(storm(roll), ids)
          }),
        )
        assert.deepStrictEqual(yield* sessionsOf, oneEach(20))
        const summary = events.at(-1)
        assert.deepInclude(summary, { event: "sessions", succeeded: 20, failed: 0, unfinished: 0, notStarted: 0 })
        const ended = new Set(events.flatMap((event) => (event.event === "ended" ? [event.machineId] : [])))
        assert.strictEqual(ended.size, 20)
      }).pipe(overService({ machines: machines(20), commandTime: "3 seconds", visibleAfter: "40 seconds" })),
    )
  }
})

/** A power cut at any byte of the journal: the last entry is cut short, and nothing is written after it. */
describe("Fleet.run with a power cut in the middle of a journal line", () => {
  const journal = (disk: Disk) => FleetJournal.layerFileSystem({ directory: "/state" }).pipe(Layer.provide(disk.layer))

  it.effect("gives every machine one session", () =>
    Effect.gen(function* () {
      const healthy = makeDisk()
      const count = 2
      const whole = run(() => ({}), machineIds(count)).pipe(Effect.provide(journal(healthy), { local: true }))
      yield* inVirtualTime(whole.pipe(overService({ machines: machines(count), commandTime: "3 seconds" })))
      const length = healthy.files.get("/state/sessions.jsonl")?.length ?? 0
      assert.isAtLeast(length, 1000)
      for (let space = 0; space < length; space += 31) {
        const disk = makeDisk()
        disk.freeBytes = space
        disk.full = "dies"
        yield* Effect.gen(function* () {
          const first = yield* Effect.exit(
            inVirtualTime(
              run(() => ({}), machineIds(count)).pipe(Effect.provide(journal(disk), { local: true })),
              "1 hour",
            ),
          )
          assert.strictEqual(first._tag, "Failure", `power cut after ${space} bytes`)
          disk.freeBytes = Infinity
          const events = yield* inVirtualTime(
            run(() => ({}), machineIds(count)).pipe(Effect.provide(journal(disk), { local: true })),
            "1 hour",
          )
          assert.strictEqual(kinds(events)["ended"], count, `power cut after ${space} bytes`)
          assert.deepStrictEqual(yield* sessionsOf, oneEach(count), `power cut after ${space} bytes`)
        }).pipe(overService({ machines: machines(count), commandTime: "3 seconds" }))
      }
    }),
  )
})

const minute = 60_000

/** Trouble for one kind of call, until this long after the start. */
const until = (end: number, kind: Sent["kind"], trouble: Weather) =>
  Effect.map(Clock.Clock, (clock) => {
    const startedAt = clock.currentTimeMillisUnsafe()
    return (sent: Sent): Weather =>
      sent.kind === kind && clock.currentTimeMillisUnsafe() - startedAt < end ? trouble : {}
  })

describe("Fleet.run over a service that fails", () => {
  it.effect("never exceeds the limit of sessions in progress, even if answers are lost", () =>
    Effect.gen(function* () {
      const weather = storm(seededRandom(7))
      yield* inVirtualTime(untilEachEnded(weather, machineIds(40), { sessions: 4 }))
      assert.deepStrictEqual(yield* sessionsOf, oneEach(40))
      assert.isAtMost(yield* mostAtOnce, 4)
      // The service itself allows more.
    }).pipe(overService({ machines: machines(40), commandTime: "50 seconds", sessions: 1000 })),
  )

  it.effect("starts no new session while those of an earlier run exceed the limit", () =>
    Effect.gen(function* () {
      yield* inVirtualTime(
        run(() => ({}), machineIds(12), { wait: false }),
        "2 minutes",
      )
      assert.strictEqual(Object.keys(yield* sessionsOf).length, 12)
      const events = yield* inVirtualTime(run(() => ({}), machineIds(20), { sessions: 4 }))
      assert.strictEqual(kinds(events)["ended"], 20)
      const sessions = (yield* (yield* Simulator.Simulator).actions).map((action) => ({
        startedAt: Date.parse(String(action["creationDateTimeUtc"])),
        ended: Date.parse(String(action["lastUpdateDateTimeUtc"])),
      }))
      const isNew = ({ startedAt }: { readonly startedAt: number }) => startedAt > 2 * minute
      for (const { startedAt } of sessions.filter(isNew)) {
        assert.isAtMost(sessions.filter((other) => other.startedAt <= startedAt && startedAt < other.ended).length, 4)
      }
      assert.strictEqual(sessions.filter(isNew).length, 8)
    }).pipe(overService({ machines: machines(20), commandTime: "5 minutes", sessions: 1000 })),
  )

  it.effect(
    "ends after ten machines in a row without a connection, and records the sessions that may have started",
    () =>
      Effect.gen(function* () {
        const events: Array<FleetEvent> = []
        const nowhere = (): Weather => ({ instead: "no connection" })
        const exit = yield* Effect.exit(inVirtualTime(run(nowhere, machineIds(30), {}, events)))
        assert.include(String(exit), "10 targets in a row failed in this way")
        assert.deepStrictEqual(kinds(events), { notStarted: 10, sessions: 1 })
        assert.deepInclude(events.at(-1), { event: "sessions", started: 0, notStarted: 10 })
        const next = yield* inVirtualTime(run(() => ({}), machineIds(30)))
        assert.strictEqual(kinds(next)["ended"], 30)
        assert.deepStrictEqual(yield* sessionsOf, oneEach(30))
      }).pipe(overService({ machines: machines(30) })),
  )

  for (const sessions of [25, 1]) {
    it.effect(`ends soon without the permission to read actions, with few sessions started: ${sessions} at once`, () =>
      Effect.gen(function* () {
        const events: Array<FleetEvent> = []
        const blind = ({ kind }: Sent): Weather => (kind === "list" ? { instead: refusal(403, "Forbidden") } : {})
        const exit = yield* Effect.exit(inVirtualTime(run(blind, machineIds(200), { sessions }, events)))
        assert.include(String(exit), "permission is missing")
        assert.strictEqual(events.at(-1)?.event, "sessions")
        assert.isAtMost(Object.keys(yield* sessionsOf).length, 10)
      }).pipe(overService({ machines: machines(200) })),
    )
  }

  it.effect("ends with the summary when the token is refused in the middle, and resumes in the next run", () =>
    Effect.gen(function* () {
      const events: Array<FleetEvent> = []
      const revoked = ({ kind, nth }: Sent): Weather =>
        kind === "list" && nth >= 12 ? { instead: refusal(401, "Unauthorized") } : {}
      const exit = yield* Effect.exit(inVirtualTime(run(revoked, machineIds(30), {}, events)))
      assert.include(String(exit), "the API refused the token")
      const { ended: succeeded = 0, started = 0 } = kinds(events)
      assert.deepInclude(events.at(-1), { event: "sessions", started, succeeded })
      const next = yield* inVirtualTime(run(() => ({}), machineIds(30)))
      assert.strictEqual(kinds(next)["ended"], 30)
      assert.deepStrictEqual(yield* sessionsOf, oneEach(30))
    }).pipe(overService({ machines: machines(30), commandTime: "25 seconds" })),
  )

  for (const [what, trouble] of [
    ["503s", { instead: page(503, "") }],
    [
      "429s with Retry-After",
      { instead: refusal(429, "TooManyRequests", "You can send requests again in 7 seconds.") },
    ],
    ["429s without", { instead: refusal(429, "TooManyRequests") }],
    ["no connection", { instead: "no connection" }],
  ] as const) {
    it.effect(`continues after half an hour without a list: ${what}`, () =>
      Effect.gen(function* () {
        const first = yield* inVirtualTime(
          run(() => ({}), machineIds(8), { deadline: "10 seconds" }),
          "20 seconds",
        )
        assert.strictEqual(kinds(first)["unfinished"], 8)
        const clock = yield* Clock.Clock
        const startedAt = clock.currentTimeMillisUnsafe()
        const isDown = () => {
          const since = clock.currentTimeMillisUnsafe() - startedAt
          return since > minute && since < 31 * minute
        }
        const events = yield* inVirtualTime(
          run(({ kind }) => (kind === "list" && isDown() ? trouble : {}), machineIds(8)),
        )
        assert.deepStrictEqual(kinds(events), { started: 8, ended: 8, sessions: 1 })
      }).pipe(overService({ machines: machines(8), commandTime: "5 minutes" })),
    )
  }

  it.effect("starts the next session in place of a refused one", () =>
    Effect.gen(function* () {
      const isEven = (url: URL) => /[02468ace]\/runliveresponse$/.test(url.pathname)
      const picky = ({ kind, url }: Sent): Weather =>
        kind === "run" && isEven(url) ? { instead: refusal(400, "InvalidInput") } : {}
      const events = yield* inVirtualTime(run(picky, machineIds(40), { sessions: 2 }))
      assert.deepStrictEqual(kinds(events), { started: 20, ended: 20, notStarted: 20, sessions: 1 })
    }).pipe(overService({ machines: machines(40), commandTime: "5 seconds" })),
  )

  it.effect("finds a session that becomes visible at the last moment", () =>
    Effect.gen(function* () {
      const lost = yield* until(minute, "run", { answer: "no connection" })
      const events = yield* inVirtualTime(run(lost, machineIds(3)))
      assert.deepStrictEqual(kinds(events), { started: 3, ended: 3, sessions: 1 })
      assert.deepStrictEqual(yield* sessionsOf, oneEach(3))
    }).pipe(overService({ machines: machines(3), commandTime: "1 second", visibleAfter: "2 minutes" })),
  )

  it.effect("treats a session with another mark as somebody else's, even with the same comment", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      yield* simulator.addAction({
        id: "988cc94e-7a8f-4b28-ab65-54970c5d5018",
        type: "LiveResponse",
        status: "Succeeded",
        machineId: machineIds(1)[0],
        requestorComment: `${session.comment} [live-response 0123456789abcdef]`,
        creationDateTimeUtc: "2026-11-01T00:00:00Z",
        commands: [],
      })
      // The first request never arrives, so the only session is somebody else's.
      const events = yield* inVirtualTime(
        run(({ kind, nth }) => (kind === "run" && nth === 0 ? { instead: "no connection" } : {}), machineIds(1)),
      )
      const [started] = events
      assert.deepInclude(started, { event: "started", as: "new" })
      assert.strictEqual(kinds(events)["ended"], 1)
    }).pipe(overService({ machines: machines(1) })),
  )

  it.effect("recognizes its own session in progress after a request arrived twice", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const twice = ({ kind }: Sent): Weather => (kind === "run" ? { answer: "no connection", after: "1 second" } : {})
      const first = yield* inVirtualTime(Effect.timeoutOption(run(twice, machineIds(1)), "500 millis"), "10 seconds")
      assert.isTrue(Option.isNone(first))
      const [action] = yield* simulator.actions
      const refused = refusal(400, "ActiveRequestAlreadyExists", `in progress, active action id: ${action?.id}`)
      // The list does not have the session, and the service has it.
      const events = yield* inVirtualTime(
        run(
          ({ kind, nth }) =>
            kind === "run"
              ? { answer: refused }
              : kind === "list" && nth < 30
                ? { instead: page(200, `{"value":[]}`) }
                : {},
          machineIds(1),
        ),
      )
      const started = events.flatMap((event) => (event.event === "started" ? [event] : []))
      assert.deepStrictEqual(
        started.map(({ as, machineActionId }) => [as, String(machineActionId)]),
        [["resumed", action?.id]],
      )
      assert.strictEqual(kinds(events)["ended"], 1)
      assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
    }).pipe(overService({ machines: machines(1), commandTime: "5 minutes" })),
  )
})

const entriesOf = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
  const { open } = yield* FleetJournal.FleetJournal
  const { find } = yield* open(session)
  const entries = yield* Effect.forEach(ids, find)
  return entries.flatMap((entry) => (Option.isSome(entry) ? [entry.value.entry] : []))
})

describe("The journal of Fleet.run", () => {
  it.effect("has no doubtful entry of a session that was never requested, after a deadline or an interruption", () =>
    Effect.gen(function* () {
      const late = Stream.fromIterable(machineIds(100)).pipe(
        Stream.mapEffect((id) => Effect.delay(Effect.succeed(id), "1 second")),
      )
      const events = yield* inVirtualTime(run(() => ({}), late, { deadline: "10 seconds" }))
      assert.isAtLeast(kinds(events)["notStarted"] ?? 0, 90)
      const inDoubt = (yield* entriesOf(machineIds(100))).filter((entry) => entry === "starting")
      assert.isAtMost(inDoubt.length, 10)
    }).pipe(overService({ machines: machines(100), commandTime: "1 second" })),
  )

  it.effect("reports at once that another session is in progress, even if the API does not show that one", () =>
    Effect.gen(function* () {
      const message = "Action is already in progress, active action id: 988cc94e-7a8f-4b28-ab65-54970c5d5018"
      const busy = ({ kind }: Sent): Weather =>
        kind === "run" ? { instead: refusal(400, "ActiveRequestAlreadyExists", message) } : {}
      const startedAt = yield* Clock.currentTimeMillis
      const [event] = yield* inVirtualTime(
        Effect.tap(run(busy, machineIds(1)), () =>
          Effect.map(Clock.currentTimeMillis, (now) => assert.isAtMost(now - startedAt, 30_000)),
        ),
      )
      assert.include(event?.event === "notStarted" ? event.message : "", "another session is in progress")
    }).pipe(overService({ machines: machines(1) })),
  )
})

describe("Fleet.run and its reader", () => {
  it.effect("makes no call and starts no session after its reader has left", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const leaving = Effect.gen(function* () {
        const { run } = yield* Fleet
        const events = yield* Stream.runCollect(Stream.take(run(Stream.fromIterable(machineIds(50)), session), 15))
        const calls = (yield* simulator.calls).length
        yield* Effect.sleep("3 hours")
        return { events, calls, later: (yield* simulator.calls).length }
      })
      const { calls, events, later } = yield* inVirtualTime(Effect.provide(leaving, program(), { local: true }))
      assert.strictEqual(events.length, 15)
      assert.strictEqual(later, calls)
      const next = yield* inVirtualTime(run(() => ({}), machineIds(50)))
      assert.strictEqual(kinds(next)["ended"], 50)
      assert.deepStrictEqual(yield* sessionsOf, oneEach(50))
    }).pipe(overService({ machines: machines(50), commandTime: "20 seconds" })),
  )

  it.effect("does not wait for a slow reader within its buffer, and loses no event", () =>
    Effect.gen(function* () {
      const events: Array<FleetEvent> = []
      const slow = Effect.gen(function* () {
        const { run } = yield* Fleet
        yield* Stream.runForEach(run(Stream.fromIterable(machineIds(25)), session), (event) =>
          Effect.delay(
            Effect.sync(() => events.push(event)),
            "10 minutes",
          ),
        )
      })
      yield* inVirtualTime(Effect.provide(slow, program(), { local: true }))
      assert.deepStrictEqual(kinds(events), { started: 25, ended: 25, sessions: 1 })
      const startedAt = (yield* (yield* Simulator.Simulator).actions).map((action) =>
        Date.parse(String(action["creationDateTimeUtc"])),
      )
      assert.isAtMost(Math.max(...startedAt), 3 * minute)
    }).pipe(overService({ machines: machines(25), commandTime: "20 seconds" })),
  )

  it.effect("fails with the error of the list of machines, after the summary", () =>
    Effect.gen(function* () {
      const events: Array<FleetEvent> = []
      const broken = Stream.concat(
        Stream.fromIterable(machineIds(3)),
        Stream.fromEffect(Effect.delay(Effect.die("line 4 is broken"), "5 seconds")),
      )
      const exit = yield* Effect.exit(inVirtualTime(run(() => ({}), broken, {}, events)))
      assert.include(String(exit), "line 4 is broken")
      assert.deepInclude(events.at(-1), { event: "sessions", started: 3 })
    }).pipe(overService({ machines: machines(3) })),
  )

  it.effect("runs a machine once, whenever it is named again", () =>
    Effect.gen(function* () {
      const names = Stream.fromIterable([...machineIds(3), ...machineIds(3), ...machineIds(5), ...machineIds(5)]).pipe(
        Stream.mapEffect((id) => Effect.delay(Effect.succeed(id), "7 seconds")),
      )
      const events = yield* inVirtualTime(run(() => ({ before: "3 seconds" }), names))
      assert.deepStrictEqual(kinds(events), { started: 5, ended: 5, sessions: 1 })
      assert.deepStrictEqual(yield* sessionsOf, oneEach(5))
    }).pipe(overService({ machines: machines(5), commandTime: "5 seconds" })),
  )
})

/** The answer to each first request is lost, so only the list shows whether there is a session. */
describe("Fleet.run with an odd record of a session", () => {
  const runs = (ids: ReadonlyArray<string>, odd: Weather["odd"], options: RunOptions = {}) =>
    run(
      ({ kind, nth }: Sent): Weather =>
        kind === "list" && odd !== undefined ? { odd } : kind === "run" && nth === 0 ? { answer: "no connection" } : {},
      ids,
      options,
    )

  it.effect.each([{ machineId: null }, { machineId: "AB".repeat(20) }, { status: null }])(
    "finds it by its mark: %j",
    (odd) =>
      Effect.gen(function* () {
        const events = yield* inVirtualTime(runs(["ab".repeat(20)], odd, { deadline: "1 hour" }))
        assert.deepInclude(kinds(events), { started: 1 })
        assert.deepStrictEqual(yield* sessionsOf, { ["ab".repeat(20)]: 1 })
      }).pipe(overService({ machines: [{ id: "ab".repeat(20), name: "ws-0" }], commandTime: "3 seconds" })),
  )

  it.effect.each([null, []])("has the commands that were requested if the API lists %j", (commands) =>
    Effect.gen(function* () {
      const weather = ({ kind }: Sent): Weather => (kind === "list" ? { odd: { commands } } : {})
      const events = yield* inVirtualTime(run(weather, machineIds(1)))
      const results = events.flatMap((event) => (event.event === "ended" ? ResultRef.ofAction(event.action) : []))
      assert.deepStrictEqual(
        results.map(({ index, script }) => [index, script]),
        [[0, "collect.ps1"]],
      )
    }).pipe(overService({ machines: machines(1), commandTime: "3 seconds" })),
  )

  it.effect.each([{ id: null }, { id: "not a GUID" }, { commands: 5 }])(
    "starts no second session while the record can't be read, and the next run finds the session: %j",
    (odd) =>
      Effect.gen(function* () {
        const events = yield* inVirtualTime(runs(machineIds(1), odd))
        assert.deepInclude(kinds(events), { notStarted: 1 })
        const reason = events.flatMap((event) => (event.event === "notStarted" ? [event.message] : [])).join()
        assert.include(reason, "whether live response has started")
        assert.include(reason, "record 1 of the list")
        assert.deepStrictEqual(yield* sessionsOf, oneEach(1))

        const later = yield* inVirtualTime(run(() => ({}), machineIds(1)))
        assert.deepInclude(kinds(later), { started: 1, ended: 1 })
        assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
      }).pipe(overService({ machines: machines(1), commandTime: "3 seconds" })),
  )
})
