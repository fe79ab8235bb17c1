/** An API, or a gateway, that returns the session of one machine for another. */
import { assert, describe, it } from "@effect/vitest"
import type { RunOptions } from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import { machineAt, machineIds, machines } from "./support/fleets.ts"
import { overService, run, type Sent, session, sessionsOf, type Weather } from "./support/network.ts"

const { inVirtualTime } = LiveResponseTest

const otherMachine = "c".repeat(40)
const own = machineAt(0)

const idAt = (n: number) => `988cc94e-7a8f-4b28-ab65-${String(n).padStart(12, "0")}`

const actionOf = (n: number, machineId: string | undefined) => ({
  id: idAt(n),
  type: "LiveResponse",
  status: "Succeeded",
  ...(machineId === undefined ? {} : { machineId }),
  creationDateTimeUtc: "2026-11-01T00:00:00Z",
  commands: [],
})

const created = (action: object) => HttpServerResponse.jsonUnsafe(action, { status: 201 })
const listOf = (...actions: ReadonlyArray<object>) => HttpServerResponse.jsonUnsafe({ value: actions })

const unfinishedOf = (events: ReadonlyArray<FleetEvent>) =>
  events.flatMap((event) => (event.event === "unfinished" ? [event.message] : []))

const endedOf = (events: ReadonlyArray<FleetEvent>) =>
  events.flatMap((event) => (event.event === "ended" ? [event.machineId] : []))

/** Counts the requests for sessions. */
const counting = (weather: (sent: Sent) => Weather) => {
  const counts = { posts: 0 }
  return {
    counts,
    weather: (sent: Sent) => {
      if (sent.kind === "run") counts.posts++
      return weather(sent)
    },
  }
}

const runs = (weather: (sent: Sent) => Weather, count: number, options?: RunOptions) =>
  inVirtualTime(run(weather, machineIds(count), options), "1 day")

describe("Fleet.run, if the API returns a session of another machine", () => {
  it.effect("fails the machine whose request has it for an answer, and requests no second one", () =>
    Effect.gen(function* () {
      const { counts, weather } = counting(({ kind, nth }) => {
        if (kind === "run") return { answer: created(actionOf(nth, otherMachine)) }
        return kind === "list" ? { answer: listOf(actionOf(0, otherMachine), actionOf(1, otherMachine)) } : {}
      })
      for (const options of [{}, {}, { retryFailed: true }]) {
        const events = yield* runs(weather, 2, options)
        assert.deepStrictEqual(endedOf(events), [])
        assert.strictEqual(unfinishedOf(events).length, 2)
        for (const message of unfinishedOf(events)) {
          assert.match(
            message,
            /machine action 988cc94e-\S+: .*it is on machine c{40}, and the API returned it for machine /,
          )
        }
        assert.strictEqual(counts.posts, 2)
      }
    }).pipe(overService({ machines: machines(2) })),
  )

  it.effect("records the name of the machine that has the session, and not that of another one", () =>
    Effect.gen(function* () {
      yield* runs(
        ({ kind, nth }) =>
          kind === "run"
            ? { answer: created({ ...actionOf(nth, nth === 0 ? own : otherMachine), computerDnsName: `ws-${nth}` }) }
            : {},
        2,
        { wait: false, sessions: 1 },
      )
      const { find } = yield* (yield* FleetJournal.FleetJournal).open(session)
      const entries = yield* Effect.forEach(machineIds(2), (id) => Effect.map(find(id), Option.getOrThrow))
      assert.deepStrictEqual(
        entries.map((entry) => (entry.entry === "started" ? entry.machineName : entry.entry)),
        ["ws-0", undefined],
      )
    }).pipe(overService({ machines: machines(2) })),
  )

  it.effect("fails the machine even if the run does not wait for sessions", () =>
    Effect.gen(function* () {
      const events = yield* runs(
        ({ kind }) => (kind === "run" ? { answer: created(actionOf(0, otherMachine)) } : {}),
        1,
        {
          wait: false,
        },
      )
      assert.strictEqual(unfinishedOf(events).length, 1)
    }).pipe(overService({ machines: machines(1) })),
  )

  it.effect.each([{ machineId: own }, { machineId: undefined }])(
    "fails the second of two machines with the same action id: %j",
    ({ machineId }) =>
      Effect.gen(function* () {
        const { counts, weather } = counting(({ kind }) => {
          if (kind === "run") return { answer: created(actionOf(0, machineId)) }
          return kind === "list" ? { answer: listOf(actionOf(0, machineId)) } : {}
        })
        for (let nth = 0; nth < 2; nth++) {
          const events = yield* runs(weather, 2)
          assert.deepStrictEqual(endedOf(events), [own])
          assert.strictEqual(unfinishedOf(events).length, 1)
        }
        assert.strictEqual(counts.posts, 2)
      }).pipe(overService({ machines: machines(2) })),
  )

  it.effect("does not accept a session with its mark that is on another machine", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.Simulator
      const { counts, weather } = counting(({ kind }) => {
        if (kind === "run") return { answer: "no connection" }
        return kind === "list" ? { odd: { machineId: otherMachine } } : {}
      })
      for (let nth = 0; nth < 2; nth++) {
        const events = yield* runs(weather, 1)
        assert.deepStrictEqual(endedOf(events), [])
        const messages = events.flatMap((event) => (event.event === "notStarted" ? [event.message] : [])).join()
        assert.match(messages, /whether live response has started .*\(it is on machine c{40}/)
      }
      assert.strictEqual(counts.posts, 1)
      assert.strictEqual((yield* simulator.actions).length, 1)
      // Once the API names the right machine, the session is found.
      assert.deepStrictEqual(endedOf(yield* runs(() => ({}), 1)), [own])
      assert.deepStrictEqual(yield* sessionsOf, { [own]: 1 })
    }).pipe(overService({ machines: machines(1), commandTime: "3 seconds" })),
  )

  it.effect.each([{ adopt: false }, { adopt: true }])(
    "neither accepts nor adopts a session in progress that is on another machine: %j",
    ({ adopt }) =>
      Effect.gen(function* () {
        const message = `Action is already in progress, active action id: ${idAt(0)}`
        const refused = HttpServerResponse.jsonUnsafe(
          { error: { code: "ActiveRequestAlreadyExists", message } },
          { status: 400 },
        )
        const events = yield* runs(
          ({ kind }) => {
            if (kind === "run") return { instead: refused }
            return kind === "action" ? { instead: HttpServerResponse.jsonUnsafe(actionOf(0, otherMachine)) } : {}
          },
          1,
          { adopt },
        )
        const messages = events.flatMap((event) => (event.event === "notStarted" ? [event.message] : [])).join()
        assert.match(messages, /it is on machine c{40}/)
      }).pipe(overService({ machines: machines(1) })),
  )

  it.effect("does not accept an action with another id than requested", () =>
    Effect.gen(function* () {
      const { counts, weather } = counting(({ kind, nth }) => {
        if (kind === "run") return { answer: created({ ...actionOf(0, own), status: "Pending" }) }
        if (kind === "list") return { answer: listOf() }
        return nth < 3 ? { instead: HttpServerResponse.jsonUnsafe(actionOf(1, own)) } : {}
      })
      const events = yield* runs(weather, 1, { deadline: "4 minutes" })
      assert.deepStrictEqual(endedOf(events), [])
      assert.strictEqual(counts.posts, 1)
    }).pipe(overService({ machines: machines(1) })),
  )
})

const notStartedOf = (events: ReadonlyArray<FleetEvent>) =>
  events.flatMap((event) => (event.event === "notStarted" ? [event.message] : []))

describe("Fleet.run, if the API leaves open whether it created a session", () => {
  it.effect.each([
    { what: "is missing", odd: { requestorComment: null } },
    { what: "is cut off", odd: { requestorComment: "case 4711 [live-res" } },
    {
      what: "is missing, and the clock of this machine is ahead by 14 hours",
      odd: { requestorComment: null, creationDateTimeUtc: "1969-12-31T10:00:00Z" },
    },
  ])("requests no second one where the comment of a session on the machine $what", ({ odd }) =>
    Effect.gen(function* () {
      const { counts, weather } = counting(({ kind }) => {
        if (kind === "run") return { answer: HttpServerResponse.empty({ status: 502 }) }
        return kind === "list" ? { odd } : {}
      })
      for (const options of [{}, {}, { retryFailed: true }]) {
        const events = yield* runs(weather, 2, options)
        assert.strictEqual(counts.posts, 2)
        assert.strictEqual(notStartedOf(events).length, 2)
        for (const message of notStartedOf(events)) {
          assert.match(
            message,
            /is not known: list of machine actions: .* may be the session: its comment is missing or/,
          )
        }
      }
    }).pipe(overService({ machines: machines(2) })),
  )

  it.effect.each([
    HttpServerResponse.text("<html>", { status: 201 }),
    HttpServerResponse.jsonUnsafe({ id: "not an id" }, { status: 201 }),
    HttpServerResponse.text(" ".repeat(2 * 1024 * 1024), { status: 201 }),
  ])("requests no second one where it reports success in an answer that can't be used (%#)", (answer) =>
    Effect.gen(function* () {
      const { counts, weather } = counting(({ kind }) => {
        if (kind === "run") return { answer }
        return kind === "list" ? { answer: listOf() } : {}
      })
      const events = yield* runs(weather, 2)
      assert.strictEqual(counts.posts, 2)
      assert.strictEqual(notStartedOf(events).length, 2)
      for (const message of notStartedOf(events))
        assert.match(message, /^whether live response has started on .* not known/)
    }).pipe(overService({ machines: machines(2) })),
  )
})
