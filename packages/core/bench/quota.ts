/**
 * How long N calls take, and how many are throttled, by strategy and latency. It runs in virtual time, against a server that counts
 * calls like the service.
 *
 *     node packages/core/bench/quota.ts
 */
import { inVirtualTime, layerTestClock } from "@live-response/core/testing/LiveResponseTest"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { bound, type Latency, latencies, makeCall, makeServer, mostIn, windows } from "./server.ts"
import { own, strategies, type Strategy } from "./strategies.ts"
import { figure, table } from "./table.ts"

const sizes = [100, 1500, 10_000]

/** Limits for the naive strategies, so that each run ends. */
const attempts = 100
const deadline = Duration.days(7)

/** Makes the calls. Returns when each successful one started, and what the server counted. */
const run = Effect.fnUntraced(
  function* (strategy: Strategy, calls: number, latency: Latency) {
    const server = makeServer()
    const call = makeCall(server, latency)
    const starts: Array<number> = []
    const batch = Effect.gen(function* () {
      const { throttled, withPermit } = yield* strategy.make
      const startedAt = yield* Clock.currentTimeMillis
      const serve = withPermit(call).pipe(
        Effect.tap(({ wait }) => (wait > 0 ? throttled(Duration.millis(wait)) : Effect.void)),
        Effect.repeat({ while: ({ wait }) => wait > 0, times: attempts - 1 }),
        Effect.map((answer) => (answer.wait > 0 ? undefined : starts.push(answer.startedAt - startedAt))),
      )
      yield* Effect.forEach(Array.from({ length: calls }), () => serve, {
        concurrency: strategy.workers,
        discard: true,
      })
    }).pipe(Effect.scoped, Effect.timeoutOption(deadline))
    yield* inVirtualTime(batch, Duration.sum(deadline, Duration.minutes(1)))
    return { starts, server }
  },
  (effect) => effect.pipe(Effect.provide(layerTestClock), Random.withSeed("quota")),
)

const ratio = (value: number, to: number): string => (value === to ? 1 : value / to).toFixed(3).replace("Infinity", "∞")

const head = [
  "calls",
  "latency",
  "strategy",
  "T(N), s",
  "last start, s",
  "to T(N)",
  "to T'(N)",
  "most in 60 s",
  "in 3,600 s",
  "throttled",
  "",
]

const row = Effect.fnUntraced(function* (strategy: Strategy, calls: number, latency: Latency) {
  const { server, starts } = yield* run(strategy, calls, latency)
  const last = starts.reduce((a, b) => Math.max(a, b), 0) / 1000
  const isDone = starts.length === calls
  return [
    figure(calls),
    latency.name,
    strategy.name,
    figure(bound(calls)),
    figure(last, 1),
    isDone ? ratio(last, bound(calls)) : "",
    isDone && strategy === own ? ratio(last, bound(calls, latency.mean)) : "",
    ...windows.map(({ millis }) => figure(mostIn(server.arrivals, millis))),
    figure(server.throttled()),
    isDone ? "" : `did not finish: ${figure(starts.length)} done`,
  ]
})

const explanation = `
N calls are offered at once; the server has rolling windows of ${windows.map(({ limit, millis }) => `${figure(limit)}/${figure(millis / 1000)} s`).join(" and ")},
counts a call when it arrives, throttled or not, and throttles with Retry-After. The naive strategies call again after that,
from 100 workers, each call up to ${attempts} times within ${Duration.toDays(deadline)} days; this library has all N callers at once.
T(N) is the earliest start of the last call. T'(N) is the same with each window longer by the mean latency: a program that
does not know the server's clock can count a call only from its answer, so it loses one latency in each window (where
latencies vary, the last call gets the latest of the permits, a little after the mean).`

const main = Effect.gen(function* () {
  yield* Console.error("Virtual time: this takes about a minute.")
  const rows: Array<ReadonlyArray<string>> = []
  for (const calls of sizes)
    for (const latency of latencies) for (const strategy of strategies) rows.push(yield* row(strategy, calls, latency))
  yield* Console.log(table(head, rows))
  yield* Console.log(explanation)
})

await Effect.runPromise(main)
