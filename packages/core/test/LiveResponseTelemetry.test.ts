/** The metrics and the spans of results. */
import { assert, describe, it } from "@effect/vitest"
import * as LiveResponse from "@live-response/core/LiveResponse"
import { ActionResult } from "@live-response/core/ResultRef"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { utf8 } from "./support/bytes.ts"
import { recording } from "./support/recording.ts"
import { refAt } from "./support/refs.ts"

const { inVirtualTime } = LiveResponseTest
const content = utf8("hello, world")

/** A result on the first attempt, one on the second, one by its second link, and one that does not exist. */
const prepare = Effect.gen(function* () {
  const simulator = yield* Simulator
  yield* simulator.add(refAt(0), { content })
  yield* simulator.add(refAt(1), { content, blobFaults: [{ fault: "cut", after: 3 }] })
  yield* simulator.add(refAt(2), { content, blobFaults: [{ fault: "expire" }] })
})

const batch = Effect.gen(function* () {
  yield* prepare
  const live = yield* LiveResponse.LiveResponse
  const known = ActionResult.make({ ...refAt(1), machineId: "1e5b", machineName: "C-Lab-31" })
  const refs = [refAt(0), known, refAt(2), refAt(3), refAt(0)]
  yield* inVirtualTime(Stream.runDrain(live.saveAll(Stream.fromIterable(refs))))
})

/** The metrics of an effect alone, by name and attributes. */
const measured = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    yield* effect
    const snapshot = yield* Metric.snapshot
    return new Map(
      snapshot.map(({ attributes = {}, id, state }) => {
        const { unit: _, ...own } = attributes
        return [[id, ...Object.values(own)].join(" "), state] as const
      }),
    )
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))

describe("LiveResponse.metrics", () => {
  it.effect("counts the results, bytes, links and retries of a batch", () =>
    Effect.gen(function* () {
      const metrics = yield* measured(batch)
      const countOf = (name: string) => {
        const state = metrics.get(name)
        return state !== undefined && "count" in state ? Number(state.count) : undefined
      }
      assert.strictEqual(countOf("live_response.results completed"), 3)
      assert.strictEqual(countOf("live_response.results failed"), 1)
      assert.strictEqual(countOf("live_response.results skipped"), 1)
      assert.strictEqual(countOf("live_response.bytes"), 3 * content.length)
      assert.strictEqual(countOf("live_response.links"), 4)
      assert.strictEqual(countOf("live_response.retries Broken"), 1)
      assert.strictEqual(countOf("live_response.retries LinkRefused"), 1)
      assert.strictEqual(countOf("live_response.result.duration"), 4)
    }).pipe(Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("measures the duration of a result in seconds, with the wait before a retry", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator
      yield* simulator.add(refAt(0), { content, blobFaults: [{ fault: "stall", after: 3 }] })
      const live = yield* LiveResponse.LiveResponse
      const metrics = yield* measured(inVirtualTime(live.save(refAt(0))))
      const duration = metrics.get("live_response.result.duration")
      assert.isTrue(duration !== undefined && "sum" in duration && duration.sum > 30 && duration.sum < 60)
      assert.isTrue(metrics.has("live_response.results completed"))
    }).pipe(Effect.provide(LiveResponseTest.layer())),
  )

  it.effect("counts a result that is saved alone and fails, and not one that is interrupted", () =>
    Effect.gen(function* () {
      const live = yield* LiveResponse.LiveResponse
      const failed = yield* measured(Effect.exit(inVirtualTime(live.save(refAt(9)))))
      assert.isTrue(failed.has("live_response.results failed"))
      const interrupted = yield* measured(
        Effect.flatMap(Effect.forkChild(live.save(refAt(9)), { startImmediately: true }), Fiber.interrupt),
      )
      assert.isFalse(interrupted.has("live_response.results failed"))
      assert.isFalse(interrupted.has("live_response.result.duration"))
    }).pipe(Effect.provide(LiveResponseTest.layer())),
  )
})

describe("the spans of LiveResponse", () => {
  it.effect("are one for the batch and one for each download, with the attributes of its result", () => {
    const { spans, tracer } = recording()
    return Effect.gen(function* () {
      yield* Effect.provideService(batch, Tracer.Tracer, tracer)
      const named = (name: string) => spans.filter((span) => span.name === name)
      const [batchSpan, ...others] = named("LiveResponse.saveAll")
      assert.strictEqual(others.length, 0)
      const saves = named("LiveResponse.save")
      assert.deepStrictEqual(
        saves.map(({ attributes }) => Object.fromEntries(attributes)),
        [
          {
            "live_response.action.id": refAt(0).machineActionId,
            "live_response.command.index": 0,
            "live_response.attempt": 1,
          },
          {
            "live_response.action.id": refAt(1).machineActionId,
            "live_response.command.index": 1,
            "live_response.machine.id": "1e5b",
            "live_response.attempt": 2,
          },
          {
            "live_response.action.id": refAt(2).machineActionId,
            "live_response.command.index": 2,
            "live_response.attempt": 2,
          },
          {
            "live_response.action.id": refAt(3).machineActionId,
            "live_response.command.index": 3,
            "live_response.attempt": 1,
          },
        ],
      )
      for (const { parent } of saves) {
        assert.strictEqual(parent._tag === "Some" ? parent.value.spanId : undefined, batchSpan?.spanId)
      }
    }).pipe(Effect.provide(LiveResponseTest.layer()))
  })
})
