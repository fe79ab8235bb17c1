/** The times of events and entries, machines that sleep, and readers that stop reading. */
import { assert, describe, it } from "@effect/vitest"
import type { BatchError } from "@live-response/core/BatchError"
import { Fleet } from "@live-response/core/Fleet"
import * as FleetEvent from "@live-response/core/FleetEvent"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { makeDisk } from "./support/disk.ts"
import { machineIds, machines } from "./support/fleets.ts"
import {
  kinds,
  oneEach,
  overService,
  page,
  program,
  run,
  session,
  sessionsOf,
  type Sent,
  type Weather,
} from "./support/network.ts"

const { inVirtualTime } = LiveResponseTest

const toJson = Schema.encodeEffect(Schema.fromJsonString(FleetEvent.FleetEvent))

describe("The times of Fleet.run", () => {
  it.effect("has in every event the time at which it happened, even if it is read later", () =>
    Effect.gen(function* () {
      const seen: Array<{ readonly made: number; readonly read: number; readonly event: string }> = []
      const reading = Effect.gen(function* () {
        const { run } = yield* Fleet
        yield* Stream.runForEach(run(Stream.fromIterable(machineIds(3)), session), (event) =>
          Effect.gen(function* () {
            const json = yield* toJson(event)
            assert.include(json, `"at":"${DateTime.formatIso(event.at)}"`)
            seen.push({
              event: event.event,
              made: DateTime.toEpochMillis(event.at),
              read: yield* Clock.currentTimeMillis,
            })
            yield* Effect.sleep("1 minute")
          }),
        )
      })
      yield* inVirtualTime(Effect.provide(reading, program(), { local: true }))
      assert.deepStrictEqual(
        seen.map(({ event }) => event),
        ["started", "started", "started", "ended", "ended", "ended", "sessions"],
      )
      const started = seen.filter(({ event }) => event === "started")
      // All three start in the first second. The third event is read two minutes later.
      for (const { made } of started) assert.isAtMost(made, 1000)
      assert.isAtLeast(started[2]?.read ?? 0, 120_000)
      for (const { made } of seen.filter(({ event }) => event === "ended")) {
        assert.isAtLeast(made, 5000)
        assert.isAtMost(made, 30_000)
      }
    }).pipe(overService({ machines: machines(3), commandTime: "5 seconds" })),
  )

  it.effect("has the time in every entry of the journal, and reads entries of an older version without it", () =>
    Effect.gen(function* () {
      const disk = makeDisk()
      const journal = FleetJournal.layerFileSystem({ directory: "/state" }).pipe(Layer.provide(disk.layer))
      const path = "/state/sessions.jsonl"
      const linesOf = () => new TextDecoder().decode(disk.files.get(path)).trimEnd().split("\n")
      const runOnce = () => run(() => ({}), machineIds(2)).pipe(Effect.provide(journal, { local: true }))
      yield* inVirtualTime(runOnce(), "1 hour")
      const entries = linesOf().filter((line) => !line.includes(`"entry":"run"`))
      assert.strictEqual(entries.length, 6)
      for (const line of entries) assert.match(line, /"at":"1970-01-01T00:0\d:\d\d\.\d{3}Z"/)
      const older = linesOf().map((line) => line.replace(/,?"at":"[^"]*"/, ""))
      assert.notInclude(older.join(), `"at"`)
      disk.files.set(path, new TextEncoder().encode(`${older.join("\n")}\n`))
      const events = yield* inVirtualTime(runOnce(), "1 hour")
      assert.deepStrictEqual(kinds(events), { ended: 2, sessions: 1 })
      assert.deepStrictEqual(yield* sessionsOf, oneEach(2))
    }).pipe(overService({ machines: machines(2), commandTime: "5 seconds" })),
  )
})

describe("Fleet.run on a machine that sleeps", () => {
  /** A clock of which some parts count the sleep of this machine, and a journal whose machine sleeps while it writes. */
  const sleeping = Effect.fnUntraced(function* (moves: "wall" | "monotonic", sleeps: number) {
    const clock = yield* Clock.Clock
    const { open } = yield* FleetJournal.FleetJournal
    const entries: Array<{ readonly entry: string; readonly at: number }> = []
    let slept = 0
    const wall = () => clock.currentTimeMillisUnsafe() + (moves === "wall" ? slept : 0)
    const monotonic = () => clock.monotonicTimeNanosUnsafe() + BigInt(moves === "monotonic" ? slept : 0) * 1_000_000n
    const moved: Clock.Clock = {
      ...clock,
      currentTimeMillisUnsafe: wall,
      currentTimeMillis: Effect.sync(wall),
      monotonicTimeNanosUnsafe: monotonic,
      monotonicTimeNanos: Effect.sync(monotonic),
    }
    const journal: FleetJournal.Service = {
      open: (session) =>
        Effect.map(open(session), (run) => ({
          ...run,
          append: (entry) => {
            const at = entry.at === undefined ? Number.NaN : DateTime.toEpochMillis(entry.at)
            entries.push({ entry: entry.entry, at })
            if (entry.entry === "starting" && entries.length <= sleeps) slept += 3_600_000
            return run.append(entry)
          },
        })),
    }
    const events = yield* inVirtualTime(
      run(() => ({}), machineIds(1)).pipe(
        Effect.provideService(FleetJournal.FleetJournal, journal),
        Effect.provideService(Clock.Clock, moved),
      ),
    )
    return { entries, events }
  })

  it.effect.each(["wall", "monotonic"] as const)(
    "writes the entry again if, by the %s clock, the machine slept before the request was sent",
    (moves) =>
      Effect.gen(function* () {
        const { entries, events } = yield* sleeping(moves, 2)
        assert.deepStrictEqual(
          entries.map(({ entry }) => entry),
          ["starting", "starting", "starting", "started", "ended"],
        )
        assert.deepStrictEqual(kinds(events), { started: 1, ended: 1, sessions: 1 })
        if (moves === "wall") assert.isAtLeast(entries[2]?.at ?? 0, 2 * 3_600_000)
        assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
      }).pipe(overService({ machines: machines(1) })),
  )

  it.effect("writes the entry once without sleep, and a few times if each entry takes long", () =>
    Effect.gen(function* () {
      const awake = yield* sleeping("wall", 0)
      assert.deepStrictEqual(
        awake.entries.map(({ entry }) => entry),
        ["starting", "started", "ended"],
      )
    }).pipe(overService({ machines: machines(1) })),
  )

  it.effect("starts the session even if each entry takes long", () =>
    Effect.gen(function* () {
      const { entries, events } = yield* sleeping("wall", 1000)
      assert.strictEqual(entries.filter(({ entry }) => entry === "starting").length, 5)
      assert.strictEqual(kinds(events)["ended"], 1)
    }).pipe(overService({ machines: machines(1) })),
  )
})

describe("Fleet.run with a reader that stops reading", () => {
  const all = Stream.fromIterable(machineIds(300))
  const reading = <A, E>(use: (events: Stream.Stream<FleetEvent.FleetEvent, BatchError>) => Effect.Effect<A, E>) =>
    Effect.provide(
      Effect.flatMap(Fleet, ({ run }) => use(run(all, session))),
      program(),
      { local: true },
    )

  it.effect("starts no further sessions while its events are not read, and loses none of the events", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const events: Array<FleetEvent.FleetEvent> = []
      let atFirst = 0
      yield* inVirtualTime(
        reading((all) =>
          Stream.runForEach(all, (event) =>
            Effect.gen(function* () {
              if (events.push(event) > 1) return
              yield* Effect.sleep("3 hours")
              atFirst = (yield* simulator.actions).length
            }),
          ),
        ),
        "2 days",
      )
      assert.isAtMost(atFirst, 100)
      assert.deepStrictEqual(kinds(events), { started: 300, ended: 300, sessions: 1 })
      assert.deepInclude(events.at(-1), { event: "sessions", started: 300, succeeded: 300, unfinished: 0 })
      assert.deepStrictEqual(yield* sessionsOf, oneEach(300))
    }).pipe(overService({ machines: machines(300), commandTime: "20 seconds", sessions: 1000 })),
  )

  it.effect("ends when its reader leaves while events are buffered", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const late = (event: FleetEvent.FleetEvent) => Effect.delay(Effect.succeed(event), "3 hours")
      const events = yield* inVirtualTime(
        reading((all) => Stream.runCollect(all.pipe(Stream.mapEffect(late), Stream.take(2)))),
        "1 day",
      )
      assert.strictEqual(events.length, 2)
      const calls = (yield* simulator.calls).length
      yield* inVirtualTime(Effect.sleep("3 hours"))
      assert.strictEqual((yield* simulator.calls).length, calls)
    }).pipe(overService({ machines: machines(300), commandTime: "20 seconds", sessions: 1000 })),
  )

  for (const seconds of [190, 200, 260]) {
    it.effect(`emits the events that it counts, even if an error ends it after ${seconds} s`, () =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        const events: Array<FleetEvent.FleetEvent> = []
        const denied = ({ kind }: Sent): Weather =>
          kind === "list" && clock.currentTimeMillisUnsafe() > seconds * 1000 ? { instead: page(401, "") } : {}
        const stalled = Effect.flatMap(Fleet, ({ run }) =>
          Stream.runForEach(run(all, session), (event) =>
            events.push(event) === 1 ? Effect.sleep("30 minutes") : Effect.void,
          ),
        )
        yield* Effect.exit(inVirtualTime(Effect.provide(stalled, program(denied), { local: true }), "2 days"))
        const { ended: succeeded = 0, notStarted = 0, sessions, started = 0 } = kinds(events)
        assert.strictEqual(sessions, 1)
        assert.deepInclude(events.at(-1), { event: "sessions", started, succeeded, notStarted })
      }).pipe(overService({ machines: machines(300), commandTime: "20 seconds", sessions: 1000 })),
    )
  }
})
