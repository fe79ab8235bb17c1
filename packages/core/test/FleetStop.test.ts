/** `Fleet.run` that is stopped. */
import { assert, describe, it } from "@effect/vitest"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Fleet } from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as FleetJournal from "@live-response/core/FleetJournal"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { machineIds, machines } from "./support/fleets.ts"
import { overService, program, session, sessionsOf } from "./support/network.ts"

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
