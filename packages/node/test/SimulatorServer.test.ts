import { createHash } from "node:crypto"
import { request as createRequest } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpBody from "effect/http/HttpBody"
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

  it.live("listens to nothing of its process, so any number of them can be open at once", () =>
    Effect.gen(function* () {
      const before = process.stdin.listenerCount("end")
      const simulator = yield* Simulator.make({ tokens: ["token"] })
      yield* Layer.build(SimulatorServer.layer().pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))))
      assert.strictEqual(process.stdin.listenerCount("end"), before)
    }).pipe(Effect.scoped),
  )

  it.live("stores nothing of an upload that is cut, and the same upload once after it", () =>
    Effect.gen(function* () {
      const simulator = yield* Simulator.make({ tokens: ["token"], library: [] })
      const context = yield* Layer.build(
        SimulatorServer.layer().pipe(Layer.provide(Layer.succeed(Simulator.Simulator, simulator))),
      )
      const url = `${HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)}/api/libraryfiles`
      const contentType = "multipart/form-data; boundary=b"
      const headers = { authorization: "Bearer token", "content-type": contentType }
      const content = Buffer.alloc(20 * 1024 * 1024 - 1000, "a")
      const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="big.ps1"\r\n\r\n'
      const body = Buffer.concat([Buffer.from(head), content, Buffer.from("\r\n--b--\r\n")])
      const list = Effect.flatMap(HttpClient.get(url, { headers }), ({ text }) => text)
      const upload = (bytes: Uint8Array) =>
        HttpClient.post(url, { headers, body: HttpBody.uint8Array(bytes, contentType) })
      const cut = Effect.callback<void>((resume) => {
        const request = createRequest(url, { method: "POST", headers: { ...headers, "content-length": body.length } })
        request.on("error", () => undefined)
        request.on("close", () => resume(Effect.void))
        request.write(body.subarray(0, body.length / 2), () => request.destroy())
      })
      yield* cut
      assert.include(yield* list, `"value":[]`)
      const uploaded = yield* upload(body)
      assert.strictEqual(uploaded.status, 200)
      const sha256 = createHash("sha256").update(content).digest("hex")
      assert.lengthOf((yield* list).split(sha256), 2)
      const tooLarge = Buffer.concat([Buffer.from(head), content, content.subarray(0, 2000), Buffer.from("\r\n--b--")])
      const refused = yield* upload(tooLarge)
      assert.strictEqual(refused.status, 400)
    }).pipe(Effect.provide(NodeTransport.layer)),
  )
})
