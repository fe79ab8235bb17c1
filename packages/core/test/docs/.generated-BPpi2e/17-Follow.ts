// @effect-diagnostics globalConsole:off



















































































































































































































































































import * as ActionFilter from "@live-response/core/ActionFilter"
import * as Follow from "@live-response/core/Follow"
import * as FollowPosition from "@live-response/core/FollowPosition"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import { FromString } from "@live-response/core/ResultRef"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const sessions = Follow.run({
  selection: {
    key: FollowPosition.makeKey({ type: ["LiveResponse"] }),
    filter: ActionFilter.is("type", "LiveResponse"),
  },
  since: DateTime.makeUnsafe("2026-11-01T00:00:00Z"),
})

const id = "988cc94e-7a8f-4b28-ab65-54970c5d5018"
const test = Effect.gen(function* () {
  const simulator = yield* Simulator
  yield* simulator.addAction({
    id,
    type: "LiveResponse",
    status: "Succeeded",
    creationDateTimeUtc: "2026-11-02T10:00:00Z",
    lastUpdateDateTimeUtc: "2026-11-02T10:05:00Z",
    commands: [{ index: 0, commandStatus: "Completed", command: { type: "RunScript", params: [] } }],
  })
  yield* simulator.add(Schema.decodeSync(FromString)(`${id}:0`), { content: new TextEncoder().encode("hello") })
  const completed = Stream.filter(sessions, (event) => event.event === "completed")
  return yield* Stream.runCollect(Stream.take(completed, 1))
})

const [first] = await Effect.runPromise(Effect.provide(test, LiveResponseTest.layer()))
console.log(first?.path) // 988cc94e-7a8f-4b28-ab65-54970c5d5018/0.bin
