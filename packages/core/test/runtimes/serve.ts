/** Serves the simulator with the runtime's own server. Prints the port, and runs until standard input is closed. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as Stream from "effect/Stream"
import * as Runtime from "./runtime.ts"
import * as Samples from "./samples.ts"

const stdin = Stream.fromReadableStream({ evaluate: Runtime.stdin, onError: String })

const program = Effect.gen(function* () {
  const { handler } = yield* Samples.make
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => Runtime.serve(HttpEffect.toWebHandler(handler))),
    ({ stop }) => Effect.promise(stop),
  )
  yield* Console.log(server.port)
  yield* Stream.runDrain(stdin)
})

await Effect.runPromise(Effect.scoped(program))
