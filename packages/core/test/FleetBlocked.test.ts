/** `Fleet.run` with `cancelBlocking`, on machines where the session of somebody else is in progress. */
import { assert, describe, it } from "@effect/vitest"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import { Fleet } from "@live-response/core/Fleet"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { machineIds, machines } from "./support/fleets.ts"
import {
  kinds,
  oneEach,
  overService,
  program,
  refusal,
  run,
  type Sent,
  session,
  sessionsOf,
  type Weather,
} from "./support/network.ts"

const cancelBlocking = { cancelBlocking: true }

/** The statuses of the sessions that were in the way. */
const othersOf = Effect.gen(function* () {
  const actions = yield* (yield* Simulator.Simulator).actions
  return actions.flatMap(({ requestorComment, status }) =>
    String(requestorComment).startsWith("case") ? [] : [String(status)],
  )
})

describe("Fleet.run with cancelBlocking", () => {
  it.effect("cancels the session in the way, and starts its own session once", () =>
    Effect.gen(function* () {
      const events = yield* inVirtualTime(
        run(() => ({}), machineIds(3), cancelBlocking),
        "3 hours",
      )
      assert.deepStrictEqual(kinds(events), { cancelled: 1, started: 3, ended: 3, sessions: 1 })
      assert.deepInclude(events.at(-1), { succeeded: 3, failed: 0, notStarted: 0 })
      assert.deepStrictEqual(yield* othersOf, ["Cancelled"])
      assert.deepStrictEqual(yield* sessionsOf, oneEach(3))
    }).pipe(overService({ machines: machines(3, (n) => (n === 1 ? { busy: "2 hours" } : {})), visibleAfter: 0 })),
  )

  it.effect("finishes although nobody reads the events of another run of the session meanwhile", () =>
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const one = Stream.suspend(() => run(Stream.fromIterable(machineIds(100)), session, cancelBlocking))
      let other: number | undefined
      /** Reads no further event of the first run before the other one has finished. */
      const readOther = Effect.fnUntraced(function* () {
        if (other === undefined) other = yield* Stream.runCount(one)
      })
      yield* inVirtualTime(Effect.timeout(Stream.runForEach(one, readOther), "1 day"), "2 days")
      assert.isAtLeast(other ?? 0, 100)
      assert.deepStrictEqual(new Set(yield* othersOf), new Set(["Cancelled"]))
      assert.deepStrictEqual(yield* sessionsOf, oneEach(100))
    }).pipe(
      Effect.provide(
        program(() => ({})),
        { local: true },
      ),
      overService({ machines: machines(100, (n) => (n % 4 === 0 ? { busy: "200 hours" } : {})), visibleAfter: 0 }),
    ),
  )

  it.effect("finds the session in the way by the list where the refusal does not name it", () =>
    Effect.gen(function* () {
      const unnamed = refusal(400, "ActiveRequestAlreadyExists", "Action is already in progress.")
      const weather = ({ kind, nth }: Sent): Weather => (kind === "run" && nth === 0 ? { answer: unnamed } : {})
      const events = yield* inVirtualTime(run(weather, machineIds(1), cancelBlocking), "3 hours")
      assert.deepStrictEqual(kinds(events), { cancelled: 1, started: 1, ended: 1, sessions: 1 })
      assert.deepStrictEqual(yield* othersOf, ["Cancelled"])
      assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
    }).pipe(overService({ machines: machines(1, () => ({ busy: "2 hours" })), visibleAfter: 0 })),
  )

  it.effect("cancels nothing without being asked to, and nothing of its own", () =>
    Effect.gen(function* () {
      const refused = yield* inVirtualTime(
        run(() => ({}), machineIds(1)),
        "10 minutes",
      )
      assert.deepStrictEqual(kinds(refused), { notStarted: 1, sessions: 1 })
      assert.deepStrictEqual(yield* othersOf, ["InProgress"])
    }).pipe(overService({ machines: machines(1, () => ({ busy: "2 hours" })) })),
  )

  it.effect("says why it does not cancel a session that the API does not know yet", () =>
    Effect.gen(function* () {
      const events = yield* inVirtualTime(
        run(() => ({}), machineIds(1), cancelBlocking),
        "10 minutes",
      )
      assert.deepStrictEqual(kinds(events), { notStarted: 1, sessions: 1 })
      const [refused] = events.flatMap((event) => (event.event === "notStarted" ? [event.message] : []))
      assert.match(
        refused ?? "",
        /: the session in the way is not cancelled: the API does not know it yet, try again in a minute: another session is in progress/,
      )
      assert.deepStrictEqual(yield* othersOf, ["InProgress"])
    }).pipe(overService({ machines: machines(1, () => ({ busy: "2 hours" })), visibleAfter: "1 hour" })),
  )

  it.effect("resumes its own session that a gateway requested twice", () =>
    Effect.gen(function* () {
      const twice = ({ kind }: Sent): Weather => (kind === "run" ? { isRepeated: true } : {})
      const events = yield* inVirtualTime(run(twice, machineIds(1), cancelBlocking), "1 hour")
      assert.deepStrictEqual(kinds(events), { started: 1, ended: 1, sessions: 1 })
      assert.deepStrictEqual(yield* sessionsOf, oneEach(1))
    }).pipe(overService({ machines: machines(1), commandTime: "10 minutes", visibleAfter: 0 })),
  )
})
