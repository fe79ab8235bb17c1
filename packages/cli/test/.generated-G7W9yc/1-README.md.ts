// @effect-diagnostics globalConsole:off














































































































































































import { LiveResponse } from "@live-response/core/LiveResponse"
import * as ResultRef from "@live-response/core/ResultRef"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"

const ref = Schema.decodeSync(ResultRef.FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")

const test = Effect.gen(function* () {
  const simulator = yield* Simulator
  yield* simulator.add(ref, {
    content: new TextEncoder().encode("hello, world"),
    linkFaults: [{ fault: "throttle", retryAfter: 600 }],
    blobFaults: [{ fault: "expire" }, { fault: "cut", after: 5 }],
  })
  const live = yield* LiveResponse
  const stored = yield* LiveResponseTest.inVirtualTime(live.save(ref))
  const calls = yield* simulator.calls
  return { bytes: stored.bytes, links: calls.filter(({ kind, status }) => kind === "link" && status === 200).length }
})

const layer = LiveResponseTest.layer().pipe(Layer.provideMerge(TestClock.layer()))
console.log(await Effect.runPromise(Effect.provide(test, layer))) // { bytes: 12, links: 2 }
