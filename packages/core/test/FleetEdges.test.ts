import { assert, describe, it } from "@effect/vitest"
import * as ActionWatch from "@live-response/core/ActionWatch"
import { DefenderApi } from "@live-response/core/DefenderApi"
import * as Fleets from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as MachineAction from "@live-response/core/MachineAction"
import * as ResultRef from "@live-response/core/ResultRef"
import * as Session from "@live-response/core/Session"
import { StoreError } from "@live-response/core/StoreError"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
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

const decodeId = Schema.decodeSync(MachineAction.MachineActionId)
const idAt = (n: number) => decodeId(`00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`)
const decodeAction = Schema.decodeUnknownSync(MachineAction.FromApi)

describe("Fleet.run in edge cases", () => {
  it.effect("keeps the limit that runs share, whatever each of them may have by itself", () =>
    Effect.gen(function* () {
      const shared = Fleets.makeSlots(3)
      const ids = machineIds(20)
      const runs = [ids.slice(0, 10), ids.slice(10)].map((ids) => run(() => ({}), ids, { sessions: 2, shared }))
      const ended = yield* inVirtualTime(Effect.all(runs, { concurrency: 2 }), "2 days")
      for (const events of ended) assert.strictEqual(kinds(events).ended, 10)
      assert.strictEqual(yield* mostAtOnce, 3)
    }).pipe(overService({ machines: machines(20) })),
  )

  it.effect("polls a session in progress often, even among two thousand offline machines", () => {
    const api = Layer.mock(DefenderApi, {
      client: HttpClient.make(() => Effect.die("not of use here")),
      list: (query) =>
        Stream.fromIterable(
          Array.from((query?.filter?.expression ?? "").matchAll(/id eq '([^']*)'/g), ([, id = ""]) =>
            decodeAction({ id, type: "LiveResponse", status: id === idAt(2000) ? "InProgress" : "Pending" }),
          ),
        ),
    })
    return Effect.gen(function* () {
      const { watch } = yield* ActionWatch.ActionWatch
      for (let n = 0; n < 2000; n++) yield* Effect.forkChild(Effect.delay(Stream.runDrain(watch(idAt(n))), "1 milli"))
      yield* TestClock.adjust("10 minutes")
      const looks: Array<number> = []
      yield* Effect.forkChild(
        Effect.delay(
          Stream.runForEach(watch(idAt(2000)), () =>
            Effect.map(Clock.currentTimeMillis, (now) => looks.push(now / 1000)),
          ),
          "1 milli",
        ),
      )
      yield* TestClock.adjust("6 minutes")
      const gaps = looks.slice(1).map((at, i) => at - (looks[i] ?? 0))
      assert.isAtMost(Math.max(...gaps), 30)
    }).pipe(Effect.provide(ActionWatch.layer.pipe(Layer.provide(api))))
  })

  it.effect("waits at the deadline for requests that were sent, and reports no started session as not started", () =>
    Effect.gen(function* () {
      const slow = (): Weather => ({ before: "200 millis", after: "200 millis" })
      const events = yield* inVirtualTime(run(slow, machineIds(3), { deadline: "300 millis" }))
      const notStarted = events.flatMap((event) => (event.event === "notStarted" ? [event.machineId] : []))
      const had = yield* sessionsOf
      assert.deepStrictEqual(
        notStarted.filter((id) => id in had),
        [],
      )
    }).pipe(overService({ machines: machines(3), commandTime: "1 hour" })),
  )

  it.effect("stops searching at the deadline", () =>
    Effect.gen(function* () {
      const { open } = yield* FleetJournal.FleetJournal
      const { append, id } = yield* open(session)
      yield* append(FleetJournal.Starting.make({ run: id, machineId: machineIds(1)[0] ?? "", mark: "0123" }))
      const startedAt = yield* Clock.currentTimeMillis
      yield* inVirtualTime(
        Effect.andThen(
          run(() => ({}), machineIds(1), { deadline: "10 seconds" }),
          Effect.map(Clock.currentTimeMillis, (now) => assert.isAtMost((now - startedAt) / 1000, 20)),
        ),
      )
    }).pipe(overService({ machines: machines(1) })),
  )

  it.effect("keeps the limit of sessions in progress while the list fails and starting works", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const startedAt = clock.currentTimeMillisUnsafe()
      const down = ({ kind }: Sent): Weather =>
        kind === "list" && clock.currentTimeMillisUnsafe() - startedAt < 10 * 60_000 ? { instead: page(503, "") } : {}
      const events = yield* inVirtualTime(run(down, machineIds(15), { sessions: 5 }))
      assert.isAtMost(yield* mostAtOnce, 5)
      assert.strictEqual(kinds(events)["ended"], 15)
    }).pipe(overService({ machines: machines(15), commandTime: "11 minutes", sessions: 1000 })),
  )

  it.effect("continues after a gateway's page in place of a list", () =>
    Effect.gen(function* () {
      const once = ({ kind, nth }: Sent): Weather =>
        kind === "list" && nth === 5 ? { instead: page(200, "<html>please wait</html>") } : {}
      const events = yield* inVirtualTime(run(once, machineIds(5)))
      assert.strictEqual(kinds(events)["ended"], 5)
    }).pipe(overService({ machines: machines(5), commandTime: "2 minutes" })),
  )

  it.effect("continues while the list lacks an action and the API does not answer for it", () =>
    Effect.gen(function* () {
      const weather = ({ kind, nth }: Sent): Weather =>
        kind === "list" && nth > 5 && nth < 100
          ? { instead: page(200, `{"value":[]}`) }
          : kind === "action"
            ? { instead: page(503, "") }
            : {}
      const events = yield* inVirtualTime(run(weather, machineIds(1)))
      assert.strictEqual(kinds(events)["ended"], 1)
    }).pipe(overService({ machines: machines(1), commandTime: "12 minutes" })),
  )

  it.effect("makes no call while nothing is watched", () =>
    Effect.gen(function* () {
      let calls = 0
      const down = ({ kind, nth }: Sent): Weather => {
        calls++
        return kind === "list" && nth > 3 ? { instead: page(503, "") } : {}
      }
      const leaving = Effect.gen(function* () {
        const { run } = yield* Fleets.Fleet
        yield* Stream.runDrain(run(Stream.fromIterable(machineIds(3)), session, { deadline: "20 seconds" }))
        const before = calls
        yield* Effect.sleep("1 hour")
        return calls - before
      })
      assert.strictEqual(yield* inVirtualTime(Effect.provide(leaving, program(down), { local: true })), 0)
    }).pipe(overService({ machines: machines(3), commandTime: "10 minutes" })),
  )

  it.effect("fails before the first machine where the service would refuse the arguments of the script", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const piped = Session.Session.make({
        commands: [Session.RunScript.make({ scriptName: "collect.ps1", args: "-Path a; b | c" })],
        comment: "case 4711",
      })
      const error = yield* Effect.gen(function* () {
        const { run } = yield* Fleets.Fleet
        return yield* Effect.flip(Stream.runDrain(run(Stream.fromIterable(machineIds(3)), piped)))
      }).pipe(
        Effect.provide(
          program(() => ({})),
          { local: true },
        ),
      )
      assert.include(error.message, "the script's arguments have ; |, which live response refuses")
      assert.deepStrictEqual(yield* simulator.calls, [])
    }).pipe(overService({ machines: machines(3) })),
  )

  it.effect("starts no second session after a gateway sent the request twice, if the refusal names no action", () =>
    Effect.gen(function* () {
      // A gateway sends the request twice, and returns the answer to the second one.
      const twice = ({ kind }: Sent): Weather =>
        kind === "run" ? { answer: refusal(400, "ActiveRequestAlreadyExists", "Action is already in progress.") } : {}
      yield* inVirtualTime(run(twice, machineIds(1)))
      yield* inVirtualTime(run(() => ({}), machineIds(1)))
      assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
    }).pipe(overService({ machines: machines(1), commandTime: "30 seconds" })),
  )

  it.effect("starts no second session after a gateway sent the request twice, if the refusal names the action", () =>
    Effect.gen(function* () {
      yield* inVirtualTime(
        run(({ kind }) => (kind === "run" ? { isRepeated: true } : {}), machineIds(1)),
        "1 hour",
      )
      yield* inVirtualTime(run(() => ({}), machineIds(1)))
      assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
    }).pipe(overService({ machines: machines(1), commandTime: "30 seconds" })),
  )

  const unnamed = refusal(400, "ActiveRequestAlreadyExists", "Action is already in progress.")
  const refused = ({ kind }: Sent): Weather => (kind === "run" ? { answer: unnamed } : {})

  it.effect("adopts a session that the list has and the refusal does not name", () =>
    Effect.gen(function* () {
      const events = yield* inVirtualTime(run(refused, machineIds(2), { adopt: true }))
      assert.deepStrictEqual(
        events.flatMap((event) => (event.event === "started" ? [event.as] : [])),
        ["adopted", "adopted"],
      )
      const comments = events.flatMap((event) => (event.event === "ended" ? [event.action.requestorComment] : []))
      assert.deepStrictEqual(comments, ["somebody else's", "somebody else's"])
      assert.deepStrictEqual(yield* sessionsOf, {})
    }).pipe(overService({ machines: machines(2, () => ({ busy: "10 minutes" })), visibleAfter: 0 })),
  )

  for (const [what, adopt, busy] of [
    ["that has finished", true, "1 minute"],
    ["without being asked to", false, "2 hours"],
  ] as const) {
    it.effect(`adopts no session ${what}, and reports that one is in progress`, () =>
      Effect.gen(function* () {
        yield* inVirtualTime(Effect.sleep("2 minutes"), "3 minutes")
        const unsent = ({ kind }: Sent): Weather => (kind === "run" ? { instead: unnamed } : {})
        const events = yield* inVirtualTime(run(unsent, machineIds(1), { adopt }), "1 hour")
        assert.deepStrictEqual(kinds(events), { notStarted: 1, sessions: 1 })
        assert.include(events[0]?.event === "notStarted" ? events[0].message : "", "another session is in progress")
      }).pipe(overService({ machines: machines(1, () => ({ busy })) })),
    )
  }

  it.effect("recognizes its own session with `adopt`, even if the refusal names none", () =>
    Effect.gen(function* () {
      const events = yield* inVirtualTime(run(refused, machineIds(1), { adopt: true }))
      assert.deepStrictEqual(
        events.flatMap((event) => (event.event === "started" ? [event.as] : [])),
        ["resumed"],
      )
      assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
    }).pipe(overService({ machines: machines(1), commandTime: "5 minutes", visibleAfter: 0 })),
  )

  it.effect("recognizes its own session with `adopt`, even if the API does not know it yet", () =>
    Effect.gen(function* () {
      yield* inVirtualTime(
        run(() => ({}), machineIds(1), { wait: false }),
        "20 seconds",
      )
      yield* inVirtualTime(run(() => ({}), machineIds(1), { retryFailed: true }))
      assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
    }).pipe(overService({ machines: machines(1), commandTime: "5 seconds", visibleAfter: "90 seconds" })),
  )

  it.effect("treats two spellings of an id as one machine", () =>
    Effect.gen(function* () {
      const id = "ab".repeat(20)
      const events = yield* inVirtualTime(run(() => ({}), [id, id.toUpperCase()]))
      assert.strictEqual(kinds(events)["started"], 1)
    }).pipe(overService({ machines: [{ id: "ab".repeat(20) }, { id: "AB".repeat(20) }] })),
  )

  it.effect("emits a summary if the journal can't be opened", () =>
    Effect.gen(function* () {
      const events: Array<FleetEvent> = []
      const broken = new StoreError({ path: "/state", problem: "NotWritable", detail: "" })
      yield* inVirtualTime(
        Effect.ignore(run(() => ({}), machineIds(1), {}, events)).pipe(
          Effect.provideService(FleetJournal.FleetJournal, { open: () => Effect.fail(broken) }),
        ),
      )
      assert.strictEqual(events.at(-1)?.event, "sessions")
    }).pipe(overService({ machines: machines(1) })),
  )

  it.effect("requests no result with an invalid index", () =>
    Effect.sync(() => {
      const action = decodeAction({
        id: idAt(0),
        type: "LiveResponse",
        status: "Succeeded",
        commands: [{ index: -1, commandStatus: "Completed", command: { type: "RunScript", params: [] } }],
      })
      assert.doesNotThrow(() => ResultRef.ofAction(action))
    }),
  )

  it.effect("counts the sessions of earlier runs", () =>
    Effect.gen(function* () {
      yield* inVirtualTime(run(() => ({}), machineIds(3)))
      const summary = (yield* inVirtualTime(run(() => ({}), machineIds(3)))).at(-1)
      assert.deepInclude(summary, { event: "sessions", started: 3, succeeded: 3 })
    }).pipe(overService({ machines: machines(3) })),
  )

  it.effect("counts sessions as unfinished with `wait: false`", () =>
    Effect.gen(function* () {
      const summary = (yield* inVirtualTime(run(() => ({}), machineIds(3), { wait: false }))).at(-1)
      assert.deepInclude(summary, { event: "sessions", started: 3, unfinished: 3 })
    }).pipe(overService({ machines: machines(3), commandTime: "1 hour" })),
  )
})
