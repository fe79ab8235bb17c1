/**
 * The whole library on top of the simulator and in memory, for tests of programs that use it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { layerPatientClock } from "../internal/patientClock.ts"
import * as ActionWatch from "../ActionWatch.ts"
import * as Credential from "../Credential.ts"
import * as DefenderApi from "../DefenderApi.ts"
import * as Fleet from "../Fleet.ts"
import * as FleetJournal from "../FleetJournal.ts"
import * as FollowPosition from "../FollowPosition.ts"
import * as Library from "../Library.ts"
import * as LiveResponse from "../LiveResponse.ts"
import * as Machines from "../Machines.ts"
import * as Manifest from "../Manifest.ts"
import * as Quota from "../Quota.ts"
import type * as QuotaRule from "../QuotaRule.ts"
import * as QuotaStore from "../QuotaStore.ts"
import * as ResultStore from "../ResultStore.ts"
import * as Transfer from "../Transfer.ts"
import * as Simulator from "./Simulator.ts"

const token = "a-token-for-tests"

/**
 * The options of the simulator, and what replaces the parts of the library above it.
 *
 * @since 0.1.0
 * @category options
 */
export interface Options extends Simulator.Options {
  /** Where results are stored. Default: in memory. */
  readonly store?: Layer.Layer<ResultStore.ResultStore> | undefined

  /** Where finished results are recorded. Default: in memory. */
  readonly manifest?: Layer.Layer<Manifest.Manifest> | undefined

  /** Where sessions are recorded. Default: in memory. */
  readonly journal?: Layer.Layer<FleetJournal.FleetJournal> | undefined

  /** Where the positions of followed selections are stored. Default: in memory. */
  readonly positions?: Layer.Layer<FollowPosition.FollowPosition> | undefined

  /** The windows of the quota. Default: those of the service, 100 calls a minute and 1,500 an hour. */
  readonly windows?: ReadonlyArray<QuotaRule.Window> | undefined
}

/**
 * Provides `LiveResponse`, `Fleet`, `Library`, `Machines` and every service below them, together with the `Simulator` that answers their calls.
 *
 * **Details**
 *
 * Time is that of the clock in context: with `layerTestClock` hours pass in milliseconds.
 *
 * **Gotchas**
 *
 * The layer contains its own stores and quota, so a store or a quota that you provide to it has no effect. Use the options.
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
  // Two of them in one test share nothing, although most of their parts are constants.
  Layer.effectContext(Layer.build(Layer.fresh(services(options))))

const services = (options: Options | undefined) =>
  Layer.mergeAll(LiveResponse.layer, Fleet.layer, Library.layer, Machines.layer).pipe(
    Layer.provideMerge(Layer.mergeAll(Transfer.layer, ActionWatch.layer)),
    Layer.provideMerge(DefenderApi.layer({ base: "http://127.0.0.1" })),
    Layer.provideMerge(Simulator.layerHttpClient),
    Layer.provideMerge(
      Layer.mergeAll(
        Credential.layerToken(Redacted.make(token)),
        Quota.layer({ windows: options?.windows }).pipe(Layer.provide(QuotaStore.layerMemory)),
        options?.store ?? ResultStore.layerMemory,
        options?.manifest ?? Manifest.layerMemory,
        options?.journal ?? FleetJournal.layerMemory,
        options?.positions ?? FollowPosition.layerMemory,
        Simulator.layer({ ...options, tokens: [token, ...(options?.tokens ?? [])] }),
      ),
    ),
  )

/**
 * A `TestClock` for tests that run this library.
 *
 * **When to use**
 *
 * Provide it to each test that uses `inVirtualTime`, also in `it.effect` of `@effect/vitest`, whose clock it replaces.
 *
 * **Details**
 *
 * It waits up to 150 seconds for the fibers that it has woken. `TestClock.layer()` waits for one second: on a loaded machine its
 * time passes while a download still runs, and the test sees a day where it meant a minute.
 *
 * **Gotchas**
 *
 * A test that sleeps but never adjusts the clock is warned of after 150 seconds, and not after one.
 *
 * @example
 * ```ts
 * import { LiveResponse } from "@live-response/core/LiveResponse"
 * import * as ResultRef from "@live-response/core/ResultRef"
 * import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
 * import { Simulator } from "@live-response/core/testing/Simulator"
 * import * as Clock from "effect/Clock"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Schema from "effect/Schema"
 *
 * const ref = Schema.decodeSync(ResultRef.FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")
 *
 * const test = Effect.gen(function* () {
 *   const simulator = yield* Simulator
 *   yield* simulator.add(ref, { content: new Uint8Array(5), linkFaults: [{ fault: "throttle", retryAfter: 600 }] })
 *   const live = yield* LiveResponse
 *   yield* LiveResponseTest.inVirtualTime(live.save(ref))
 *   return (yield* Clock.currentTimeMillis) / 3_600_000
 * })
 *
 * const layer = LiveResponseTest.layer().pipe(Layer.provideMerge(LiveResponseTest.layerTestClock))
 * console.log(await Effect.runPromise(Effect.provide(test, layer))) // 24
 * ```
 *
 * @since 0.1.0
 * @category virtual time
 */
export const layerTestClock: Layer.Layer<TestClock.TestClock> = layerPatientClock

/**
 * Runs an effect while up to `atMost` passes on the `TestClock` in context.
 *
 * **Details**
 *
 * However long the effect waits for the quota or between retries, the test does not wait. The clock then stands at `atMost` after
 * its start, a day by default, however early the effect finished.
 *
 * **Gotchas**
 *
 * An effect that is not finished after `atMost` is waited for without time passing: the test never ends.
 *
 * @see `layerTestClock` for the clock that this needs.
 * @since 0.1.0
 * @category virtual time
 */
export const inVirtualTime = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  atMost: Duration.Input = "1 day",
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    // The clock waits only for fibers that it has woken, so the effect starts with a sleep.
    const fiber = yield* Effect.forkChild(Effect.delay(effect, "1 milli"))
    yield* TestClock.adjust(atMost)
    return yield* Fiber.join(fiber)
  })
