// @effect-diagnostics globalConsole:off













































































import { Fleet } from "@live-response/core/Fleet"
import { LiveResponse } from "@live-response/core/LiveResponse"
import * as ResultRef from "@live-response/core/ResultRef"
import * as Session from "@live-response/core/Session"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const session = Session.Session.make({
  commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
  comment: "case 4711",
})

// Runs the script on all of them, and saves each result as soon as its session is over.
export const collect = Effect.fnUntraced(function* (machines: Stream.Stream<string>) {
  const { run } = yield* Fleet
  const { saveAll } = yield* LiveResponse
  const results = run(machines, session).pipe(
    Stream.flatMap((event) =>
      Stream.fromIterable(event.event === "ended" ? ResultRef.ofAction(event.action) : []),
    ),
  )
  yield* Stream.runDrain(saveAll(results))
})
