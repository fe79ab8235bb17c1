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
})
