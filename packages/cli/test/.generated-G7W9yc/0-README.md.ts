// @effect-diagnostics globalConsole:off


































































































































import { LiveResponse } from "@live-response/core/LiveResponse"
import * as ResultRef from "@live-response/core/ResultRef"
import * as NodeLiveResponse from "@live-response/node/NodeLiveResponse"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const targets = Stream.range(0, 5).pipe(
  Stream.map((index) => `988cc94e-7a8f-4b28-ab65-54970c5d5018:${index}`),
  Stream.mapEffect((target) => Schema.decodeEffect(ResultRef.FromString)(target)),
)

export const collect = Effect.gen(function* () {
  const live = yield* LiveResponse
  yield* live.saveAll(targets, { concurrency: 16 }).pipe(
    Stream.runForEach((event) => {
      switch (event.event) {
        case "completed":
          return Console.log(`${event.path}: ${event.bytes} bytes, SHA-256 ${event.sha256}`)
        case "failed":
          return Console.error(event.message)
        default:
          return Effect.void
      }
    }),
  )
})

export const program = Effect.provide(collect, NodeLiveResponse.layerConfig)
