import { assert, describe, it } from "@effect/vitest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"

describe("SimulatorServer", () => {
  it.live("closes at once, also while clients keep their connections busy", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const simulator = Simulator.layer({ latency: Effect.flatMap(Random.nextIntBetween(5, 40), Effect.sleep) })
      const context = yield* Layer.build(SimulatorServer.layer().pipe(Layer.provide(simulator))).pipe(
        Scope.provide(scope),
      )
      const address = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
      let answers = 0
      const request = Effect.flatMap(HttpClient.get(address), ({ text }) => text).pipe(
        Effect.tap(() => Effect.sync(() => answers++)),
      )
      const clients = yield* Effect.forEach(Array.from({ length: 10 }), () =>
        Effect.forkChild(Effect.exit(Effect.forever(request))),
      )
      yield* Effect.repeat(
        Effect.sync(() => answers),
        { until: (count) => count >= 50, schedule: Schedule.spaced("1 millis") },
      )
      const before = answers
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.awaitAll(clients)
      // Only answers that were sent before may still arrive.
      assert.isAtMost(answers - before, clients.length)
    }).pipe(Effect.provide(NodeTransport.layer)),
  )
})
