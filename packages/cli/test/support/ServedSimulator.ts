/**
 * The simulated service on a socket, for programs that are processes of their own.
 */
import * as Simulator from "@live-response/core/testing/Simulator"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"

const bearer = "a-token-of-tests"

/** Serves it until the scope ends, with the environment of who may use it. */
export const serve = Effect.fnUntraced(function* (options?: Simulator.Options) {
  const simulator = yield* Simulator.make({ ...options, tokens: [bearer] })
  const context = yield* Layer.build(
    SimulatorServer.layer().pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  const env = { LIVE_RESPONSE_ENDPOINT: HttpServer.formatAddress(address), LIVE_RESPONSE_TOKEN: bearer }
  return { env, simulator }
})

/** What the simulator answered of one kind. */
export const answered = (simulator: Simulator.Service, kind: Simulator.Call["kind"], status?: number) =>
  Effect.map(simulator.calls, (calls) =>
    calls.filter((call) => call.kind === kind && (status === undefined || call.status === status)),
  )
