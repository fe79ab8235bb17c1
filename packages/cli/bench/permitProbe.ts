/**
 * Takes a permit every 50 ms, and prints how long each took: a line of milliseconds. `cluster.ts` starts it as a process of its own,
 * because in its own process a permit would also wait for 300 simulators.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Database from "@live-response/cluster/Database"
import * as PgQuotaStore from "@live-response/cluster/PgQuotaStore"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

const probe = Effect.gen(function* () {
  const { open } = yield* QuotaStore.QuotaStore
  const log = yield* open({
    name: "a quota of the bench",
    windows: QuotaRule.usualWindows,
    lease: Duration.minutes(2),
  })
  const once = Effect.gen(function* () {
    const before = performance.now()
    const permit = yield* log.acquire
    yield* Console.log(performance.now() - before)
    yield* permit.release
  })
  yield* Effect.repeat(once, Schedule.spaced("50 millis"))
})

NodeRuntime.runMain(Effect.provide(probe, PgQuotaStore.layer.pipe(Layer.provide(Database.layerConfig))))
