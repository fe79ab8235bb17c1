// @effect-diagnostics globalConsole:off

















































import { LiveResponse } from "@live-response/core/LiveResponse"
import * as ResultRef from "@live-response/core/ResultRef"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const ref = Schema.decodeSync(ResultRef.FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")

const test = Effect.gen(function* () {
  const simulator = yield* Simulator
  yield* simulator.add(ref, { content: new TextEncoder().encode("hello") })
  const stored = yield* (yield* LiveResponse).save(ref)
  return stored.bytes
})

console.log(await Effect.runPromise(Effect.provide(test, LiveResponseTest.layer()))) // 5
