/** `Fleet.run` that is stopped. */
import { assert, describe, it } from "@effect/vitest"
import { inVirtualTime } from "@live-response/core/testing/LiveResponseTest"
import { Fleet } from "@live-response/core/Fleet"
import type { FleetEvent } from "@live-response/core/FleetEvent"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { machineIds, machines } from "./support/fleets.ts"
import { overService, program, session, sessionsOf } from "./support/network.ts"

describe("Fleet.run with stop", () => {
  it.effect("emits each session that has started, and the summary, although nobody had read its event by then", () =>
    Effect.gen(function* () {
      const { run } = yield* Fleet
      const stopped = yield* Deferred.make<void>()
      const events: Array<FleetEvent> = []
      const all = Stream.suspend(() =>
        run(Stream.fromIterable(machineIds(300)), session, { stop: Deferred.await(stopped), sessions: 300 }),
      )
      /** Reads the second event when no further session can start. */
      const read = Effect.fnUntraced(function* (event: FleetEvent) {
        events.push(event)
        if (events.length === 1) yield* Effect.andThen(Effect.sleep("1 day"), Deferred.succeed(stopped, undefined))
      })
      yield* inVirtualTime(Stream.runForEach(all, read), "2 days")
      const started = events.flatMap((event) => (event.event === "started" ? [event.machineId] : []))
      const existing = Object.keys(yield* sessionsOf)
      assert.isAbove(existing.length, 1)
      assert.isBelow(existing.length, 300)
      assert.deepStrictEqual(started.toSorted(), existing.toSorted())
      assert.deepInclude(events.at(-1), { event: "sessions", started: existing.length })
    }).pipe(
      Effect.provide(
        program(() => ({})),
        { local: true },
      ),
      overService({ machines: machines(300), commandTime: "3 days", visibleAfter: 0 }),
    ),
  )
})
