/**
 * The quota in real time: calls over real sockets to the simulated service, which throttles none of them.
 *
 *     node packages/node/bench/quotaWall.ts
 */
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as ResultRef from "@live-response/core/ResultRef"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as SimulatorServer from "@live-response/node/testing/SimulatorServer"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const limits = { perMinute: 20, perHour: 1500 }
const calls = 45
const bound = 60 * Math.floor((calls - 1) / limits.perMinute)

const token = "a-token-for-tests"
const seconds = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos) / 1e9)

/** When each call was sent, in seconds of the monotonic clock. */
const starts: Array<number> = []

const recordStarts = HttpClient.tapRequest(() => Effect.map(seconds, (now) => starts.push(now)))

const layerApi = Layer.unwrap(
  Effect.map(HttpServer.HttpServer, ({ address }) =>
    DefenderApi.layer({ base: HttpServer.formatAddress(address), transformClient: recordStarts }),
  ),
).pipe(
  Layer.provide([
    NodeTransport.layer,
    Credential.layerToken(Redacted.make(token)),
    Quota.layer({ windows: Quota.linkWindows(limits) }).pipe(Layer.provide(QuotaStore.layerMemory)),
  ]),
  Layer.provide(SimulatorServer.layer()),
  Layer.provideMerge(Simulator.layer({ ...limits, tokens: [token] })),
)

const main = Effect.gen(function* () {
  yield* Console.log(`In real time: ${calls} links at ${limits.perMinute} a minute take ${bound / 60} minutes.`)
  const api = yield* DefenderApi.DefenderApi
  const simulator = yield* Simulator.Simulator
  const refs = yield* Effect.forEach(Array.from({ length: calls }), (_, index) =>
    Schema.decodeEffect(ResultRef.FromString)(`988cc94e-7a8f-4b28-ab65-54970c5d5018:${index}`),
  )
  yield* Effect.forEach(refs, (ref) => simulator.add(ref, { content: new TextEncoder().encode(String(ref)) }))
  const startedAt = yield* seconds
  yield* Effect.forEach(refs, (ref) => api.downloadLink(ref), { concurrency: "unbounded", discard: true })
  const last = Math.max(...starts) - startedAt
  const throttled = (yield* simulator.calls).filter(({ status }) => status === 429).length
  yield* Console.log(
    [
      "| calls | sent | bound, s | last start, s | ratio | 429 |",
      "| ----: | ---: | -------: | ------------: | ----: | --: |",
      `| ${calls} | ${starts.length} | ${bound} | ${last.toFixed(3)} | ${(last / bound).toFixed(4)} | ${throttled} |`,
    ].join("\n"),
  )
})

await Effect.runPromise(Effect.provide(main, layerApi))
