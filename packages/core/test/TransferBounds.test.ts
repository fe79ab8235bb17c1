/** Several users of one program share its transfers, and its disk. */
import { assert, describe, it } from "@effect/vitest"
import { LiveResponse } from "@live-response/core/LiveResponse"
import * as QuotaRule from "@live-response/core/QuotaRule"
import * as ResultStore from "@live-response/core/ResultStore"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as TransferBounds from "@live-response/core/TransferBounds"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { refsUpTo } from "./support/refs.ts"

const window = (limit: number, duration: Duration.Input) =>
  QuotaRule.Window.make({ limit, duration: Duration.fromInputUnsafe(duration) })

/** What was in use at once. */
interface Peak {
  transfers: number
  bytes: number
}

/** A store that notes what is in use whenever a chunk is written. */
const watched = (bounds: TransferBounds.Service, peak: Peak) =>
  Layer.effect(
    ResultStore.ResultStore,
    Effect.map(ResultStore.ResultStore, (store) => ({
      ...store,
      open: (ref) =>
        Effect.map(store.open(ref), (writer) => ({
          ...writer,
          write: (chunk) =>
            Effect.flatMap(bounds.status, ({ bytes, transfers }) => {
              peak.transfers = Math.max(peak.transfers, transfers)
              peak.bytes = Math.max(peak.bytes, bytes)
              return writer.write(chunk)
            }),
        })),
    })),
  ).pipe(Layer.provide(ResultStore.layerMemory))

/** Downloads results of a user, and returns when the last one was stored, in seconds. */
const download = (
  bounds: TransferBounds.Service,
  user: string,
  {
    count,
    peak = { bytes: 0, transfers: 0 },
    size = 1000,
    windows,
  }: {
    readonly count: number
    readonly size?: number
    readonly peak?: Peak
    readonly windows?: ReadonlyArray<QuotaRule.Window>
  },
) =>
  Effect.gen(function* () {
    const simulator = yield* Simulator
    const refs = refsUpTo(count)
    yield* Effect.forEach(refs, (ref) => simulator.add(ref, { content: new Uint8Array(size) }), { discard: true })
    const { saveAll } = yield* LiveResponse
    let stored = 0
    yield* saveAll(Stream.fromIterable(refs), { concurrency: 8 }).pipe(
      Stream.runForEach(({ event }) => Effect.sync(() => void (event === "completed" && stored++))),
    )
    assert.strictEqual(stored, count)
    return (yield* Clock.currentTimeMillis) / 1000
  }).pipe(
    Effect.provide(
      Layer.fresh(
        LiveResponseTest.layer({
          windows,
          store: TransferBounds.layerShare(user).pipe(
            Layer.provide([watched(bounds, peak), Layer.succeed(TransferBounds.TransferBounds, bounds)]),
          ),
        }),
      ),
    ),
  )

const inVirtualTime = <A, E>(effect: Effect.Effect<A, E>) =>
  LiveResponseTest.inVirtualTime(effect).pipe(Effect.provide(LiveResponseTest.layerTestClock))

describe("TransferBounds", () => {
  it.effect("holds no transfer for results that wait for the quota", () =>
    inVirtualTime(
      Effect.gen(function* () {
        const bounds = TransferBounds.make({ transfers: 1, transfersPerUser: 1 })
        // The first one has a permit every ten minutes, and would hold the only transfer all that time.
        const [slow, quick] = yield* Effect.all(
          [
            download(bounds, "contoso", { count: 5, windows: [window(1, "10 minutes")] }),
            download(bounds, "fabrikam", { count: 20 }),
          ],
          { concurrency: 2 },
        )
        assert.isAbove(slow, 2400)
        assert.isBelow(quick, 60)
        assert.deepStrictEqual(yield* bounds.status, { bytes: 0, transfers: 0, waiting: 0 })
      }),
    ),
  )

  it.effect("keeps transfers and bytes within their limits, each user within its own", () =>
    inVirtualTime(
      Effect.gen(function* () {
        const bounds = TransferBounds.make({ transfers: 3, transfersPerUser: 2, bytes: 2500, bytesPerUser: 2000 })
        const peak = { bytes: 0, transfers: 0 }
        yield* Effect.all(
          ["contoso", "fabrikam", "tailspin"].map((user) => download(bounds, user, { count: 10, peak })),
          { concurrency: 3 },
        )
        assert.deepStrictEqual(peak, { bytes: 2000, transfers: 3 })
        // A result that is larger than the limit is written alone.
        yield* download(bounds, "wingtip", { count: 2, size: 5000, peak })
        assert.strictEqual(peak.bytes, 5000)
        assert.deepStrictEqual(yield* bounds.status, { bytes: 0, transfers: 0, waiting: 0 })
      }),
    ),
  )

  it.effect("gives the permit of a link back where there is no space for its transfer", () =>
    inVirtualTime(
      Effect.gen(function* () {
        const bounds = TransferBounds.make({ transfers: 1, transfersPerUser: 1 })
        const { gate, store } = bounds.shareOf("contoso")
        const [first, second] = refsUpTo(2)
        assert.isDefined(first)
        assert.isDefined(second)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const { open } = store(yield* ResultStore.ResultStore)
            yield* open(first)
            yield* open(second)
            yield* gate(first)
            yield* gate(first)
            assert.strictEqual((yield* Effect.flip(gate(second)))._tag, "NotNow")
            assert.strictEqual((yield* bounds.status).waiting, 0)
          }),
        ).pipe(Effect.provide(ResultStore.layerMemory))
        // A link without a writer is bounded by nobody.
        yield* gate(first)
        assert.deepStrictEqual(yield* bounds.status, { bytes: 0, transfers: 0, waiting: 0 })
      }),
    ),
  )

  it.effect("downloads after all a result that waited for a transfer longer than its permit may", () =>
    inVirtualTime(
      Effect.gen(function* () {
        const bounds = TransferBounds.make({ transfers: 1, transfersPerUser: 1 })
        const { gate, store } = bounds.shareOf("contoso")
        const [held] = refsUpTo(1)
        assert.isDefined(held)
        const holding = Effect.scoped(
          Effect.gen(function* () {
            yield* store(yield* ResultStore.ResultStore).open(held)
            yield* gate(held)
            yield* Effect.sleep("5 minutes")
          }),
        ).pipe(Effect.provide(ResultStore.layerMemory))
        const waiting = Effect.delay(download(bounds, "fabrikam", { count: 1 }), "1 second")
        const [, stored] = yield* Effect.all([holding, waiting], { concurrency: 2 })
        assert.isAtLeast(stored, 300)
      }),
    ),
  )
})
