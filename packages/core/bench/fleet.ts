/**
 * How long a session on many machines takes, including its results, compared with the earliest end within the limits: ten sessions
 * start in a minute, 50 are in progress at once. It runs in virtual time with the simulator.
 *
 *     node packages/core/bench/fleet.ts
 */
import { Fleet } from "@live-response/core/Fleet"
import { LiveResponse } from "@live-response/core/LiveResponse"
import * as ResultRef from "@live-response/core/ResultRef"
import * as Session from "@live-response/core/Session"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { earliestEnd, machineIds, machines } from "../test/support/fleets.ts"
import { figure, table } from "./table.ts"

const count = 500

/** Seconds of one session. Starts a minute limit short sessions, sessions at once limit long ones. */
const lengths = [30, 150, 153, 333, 600]

const session = Session.Session.make({
  commands: [Session.RunScript.make({ scriptName: "collect.ps1" })],
  comment: "bench",
})

const collect = Effect.gen(function* () {
  const { run } = yield* Fleet
  const { saveAll } = yield* LiveResponse
  const startedAt = yield* Clock.currentTimeMillis
  const results = run(Stream.fromIterable(machineIds(count)), session).pipe(
    Stream.flatMap((event) => Stream.fromIterable(event.event === "ended" ? ResultRef.ofAction(event.action) : [])),
  )
  yield* Stream.runDrain(saveAll(results, { concurrency: 16 }))
  const took = ((yield* Clock.currentTimeMillis) - startedAt) / 1000
  return { took, calls: yield* (yield* Simulator.Simulator).calls }
})

const row = (length: number) =>
  LiveResponseTest.inVirtualTime(collect, "2 days").pipe(
    Effect.map(({ calls, took }) => [
      figure(count),
      figure(length),
      figure(earliestEnd(count, length)),
      figure(took),
      figure(took / earliestEnd(count, length), 3),
      figure(calls.filter(({ kind }) => kind === "list").length),
      figure(calls.filter(({ status }) => status >= 400).length),
    ]),
    Effect.provide(
      LiveResponseTest.layer({ machines: machines(count), commandTime: Duration.seconds(length) }).pipe(
        Layer.provideMerge(LiveResponseTest.layerTestClock),
      ),
    ),
  )

const head = ["machines", "a session, s", "earliest end, s", "this library, s", "ratio", "list calls", "errors"]

await Effect.runPromise(Effect.flatMap(Effect.forEach(lengths, row), (rows) => Console.log(table(head, rows))))
