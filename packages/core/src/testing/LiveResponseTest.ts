/**
 * The whole library over the simulator and in memory, for the tests of programs that use it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import * as ActionWatch from "../ActionWatch.ts"
import * as Credential from "../Credential.ts"
import * as DefenderApi from "../DefenderApi.ts"
import * as Fleet from "../Fleet.ts"
import * as FleetJournal from "../FleetJournal.ts"
import * as FollowPosition from "../FollowPosition.ts"
import * as LiveResponse from "../LiveResponse.ts"
import * as Manifest from "../Manifest.ts"
import * as Quota from "../Quota.ts"
import type * as QuotaRule from "../QuotaRule.ts"
import * as QuotaStore from "../QuotaStore.ts"
import * as ResultStore from "../ResultStore.ts"
import * as Transfer from "../Transfer.ts"
import * as Simulator from "./Simulator.ts"

const token = "a-token-for-tests"

/**
 * @since 0.1.0
 * @category options
 */
export interface Options extends Simulator.Options {
  /** Where results are stored. By default in memory. */
  readonly store?: Layer.Layer<ResultStore.ResultStore> | undefined

  /** The quota's windows. By default those of the service: 100 calls a minute, 1,500 an hour. */
  readonly windows?: ReadonlyArray<QuotaRule.Window> | undefined
}

/**
 * Everything that a program may ask for: `LiveResponse`, `Fleet` and what is below them, with the `Simulator` to fill and to look
 * at. Time is the clock's, so that under a `TestClock` hours pass in milliseconds.
 *
 * **Gotchas**
 *
 * A store or a quota that is provided beneath this layer has no effect: it brings its own. Use the options.
 *
 * @example
 * ```ts
 * import { LiveResponse } from "@live-response/core/LiveResponse"
 * import * as ResultRef from "@live-response/core/ResultRef"
 * import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
 * import { Simulator } from "@live-response/core/testing/Simulator"
 * import * as Effect from "effect/Effect"
 * import * as Schema from "effect/Schema"
 *
 * const ref = Schema.decodeSync(ResultRef.FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")
 *
 * const test = Effect.gen(function* () {
 *   const simulator = yield* Simulator
 *   yield* simulator.add(ref, { content: new TextEncoder().encode("hello") })
 *   const stored = yield* (yield* LiveResponse).save(ref)
 *   return stored.bytes
 * })
 *
 * console.log(await Effect.runPromise(Effect.provide(test, LiveResponseTest.layer()))) // 5
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options) =>
  Layer.mergeAll(LiveResponse.layer, Fleet.layer).pipe(
    Layer.provideMerge(Layer.mergeAll(Transfer.layer, ActionWatch.layer)),
    Layer.provideMerge(DefenderApi.layer({ base: "http://127.0.0.1" })),
    Layer.provideMerge(Simulator.layerHttpClient),
    Layer.provideMerge(
      Layer.mergeAll(
        Credential.layerToken(Redacted.make(token)),
        Quota.layer({ windows: options?.windows }).pipe(Layer.provide(QuotaStore.layerMemory)),
        options?.store ?? ResultStore.layerMemory,
        Manifest.layerMemory,
        FleetJournal.layerMemory,
        FollowPosition.layerMemory,
        Simulator.layer({ ...options, tokens: [token, ...(options?.tokens ?? [])] }),
      ),
    ),
  )

/**
 * Runs an effect under the `TestClock` and lets up to `atMost` pass, by default a day: however long it waits for the
 * quota or between retries, the test does not.
 *
 * @since 0.1.0
 * @category virtual time
 */
export const inVirtualTime = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  atMost: Duration.Input = "1 day",
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    // The clock waits for whatever a fiber does that it has woken, so the effect begins by being woken.
    const fiber = yield* Effect.forkChild(Effect.delay(effect, "1 milli"))
    yield* TestClock.adjust(atMost)
    return yield* Fiber.join(fiber)
  })
