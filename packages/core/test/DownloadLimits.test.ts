import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { DiskSpace } from "@live-response/core/DiskSpace"
import * as DownloadLimits from "@live-response/core/DownloadLimits"
import * as Extraction from "@live-response/core/Extraction"
import { LiveResponse } from "@live-response/core/LiveResponse"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Simulator from "@live-response/core/testing/Simulator"
import { Transfer } from "@live-response/core/Transfer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { patterned, utf8 } from "./support/bytes.ts"
import { type Disk, makeDisk } from "./support/disk.ts"
import { exampleRef, refAt } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"
import { layerOver } from "./support/world.ts"

const directory = "/results"
const { inVirtualTime } = LiveResponseTest

/** A disk with `free` bytes, less those that are written to it. */
const world = (disk: Disk, free: () => number = () => Infinity) =>
  LiveResponseTest.layer({
    store: ResultStore.layerFileSystem({ directory }).pipe(
      Layer.provide([
        disk.layer,
        Layer.succeed(DiskSpace, { of: () => Effect.sync(() => Option.some({ free: free(), total: 100e9 })) }),
      ]),
      Layer.orDie,
    ),
  })

const writtenTo = (disk: Disk) => disk.paths().reduce((sum, path) => sum + (disk.files.get(path)?.length ?? 0), 0)

const saveAll = (
  refs: ReadonlyArray<ResultRef>,
  limits: DownloadLimits.Choice,
  options: { readonly extract?: Extraction.Limits; readonly concurrency?: number } = {},
) =>
  Effect.gen(function* () {
    const live = yield* LiveResponse
    const events: Array<unknown> = []
    const exit = yield* live.saveAll(Stream.fromIterable(refs), { ...options, limits }).pipe(
      Stream.runForEach((event) => Effect.sync(() => events.push(event))),
      (run) => inVirtualTime(Effect.exit(run)),
    )
    return { events, exit }
  })

const named = (events: ReadonlyArray<unknown>, name: string) =>
  events.filter((event) => JSON.stringify(event).includes(`"event":"${name}"`))

const add = (ref: ResultRef, content: Uint8Array) =>
  Effect.flatMap(Simulator.Simulator, (simulator) => simulator.add(ref, { content }))

describe("DownloadLimits: maxBytes", () => {
  it.effect("fails a larger result before its first byte if its length is announced, and downloads the others", () => {
    const disk = makeDisk()
    return Effect.gen(function* () {
      yield* add(refAt(0), patterned(2000))
      yield* add(refAt(1), patterned(1000))
      const { events, exit } = yield* saveAll([refAt(0), refAt(1)], { maxBytes: 1000 })
      assert.strictEqual(exit._tag, "Success")
      assert.strictEqual(named(events, "completed").length, 1)
      assert.match(
        JSON.stringify(named(events, "failed")),
        /the result \(2000 bytes\) exceeds the limit of 1000 bytes.*--max-bytes/,
      )
      assert.deepStrictEqual(disk.paths(), [`${directory}/${refAt(1).machineActionId}/1.bin`])
    }).pipe(Effect.provide(world(disk)))
  })

  it.effect("fails a larger result of unknown length at the limit, and stores nothing of it", () => {
    const pulled = { bytes: 0 }
    const endless = Stream.fromEffectRepeat(
      Effect.sync(() => {
        pulled.bytes += 1000
        return patterned(1000)
      }),
    )
    const { layer } = scripted(
      HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" }),
      HttpServerResponse.stream(endless, { headers: { etag: '"0x1"' } }),
    )
    const disk = makeDisk()
    return Effect.gen(function* () {
      const transfer = yield* Transfer
      const store = yield* ResultStore.ResultStore
      const error = yield* Effect.scoped(
        Effect.gen(function* () {
          const writer = yield* store.open(exampleRef)
          return yield* Effect.flip(Stream.runForEach(transfer.chunks(exampleRef), writer.write)).pipe(
            Effect.tap(() => writer.discard),
          )
        }),
      ).pipe(DownloadLimits.provide({ maxBytes: 5_000_000 }))
      assert.strictEqual(error._tag === "TransferError" && error.reason._tag, "TooLarge")
      assert.isAtMost(pulled.bytes, 5_200_000)
      assert.deepStrictEqual(disk.paths(), [])
    }).pipe(
      Effect.provide([layerOver(layer), ResultStore.layerFileSystem({ directory }).pipe(Layer.provide(disk.layer))]),
    )
  })

  it.effect("removes what an earlier run with a higher limit left of a result that is too large", () => {
    const disk = makeDisk()
    return Effect.gen(function* () {
      yield* add(exampleRef, patterned(400_000))
      yield* saveAll([exampleRef], { maxTotal: 200_000 })
      assert.isAtLeast(writtenTo(disk), 100_000)
      yield* saveAll([exampleRef], { maxBytes: 300_000 })
      assert.deepStrictEqual(disk.paths(), [])
    }).pipe(Effect.provide(world(disk)))
  })

  it.effect("limits a result that is read without being stored", () =>
    Effect.gen(function* () {
      yield* add(exampleRef, patterned(2000))
      const read = Effect.flatMap(Transfer, (transfer) => Stream.runDrain(transfer.bytes(exampleRef)))
      const error = yield* Effect.flip(read)
      assert.strictEqual(error._tag === "TransferError" && error.reason._tag, "TooLarge")
    }).pipe(Effect.provide([LiveResponseTest.layer(), DownloadLimits.layer({ maxBytes: 1999 })])),
  )
})

describe("DownloadLimits: maxTotal", () => {
  it.effect("ends the batch with a summary, and the same batch again resumes with the stored bytes", () => {
    const disk = makeDisk()
    return Effect.gen(function* () {
      for (const n of [0, 1, 2]) yield* add(refAt(n), patterned(40_000))
      const refs = [refAt(0), refAt(1), refAt(2)]
      const first = yield* saveAll(refs, { maxTotal: 70_000 }, { concurrency: 1 })
      assert.match(JSON.stringify(first.exit), /StoreError.*TotalReached/)
      assert.strictEqual(named(first.events, "completed").length, 1)
      assert.strictEqual(named(first.events, "summary").length, 1)
      assert.isAtMost(writtenTo(disk), 70_000 + 1000)
      const second = yield* saveAll(refs, { maxTotal: 90_000 }, { concurrency: 1 })
      assert.strictEqual(second.exit._tag, "Success")
    }).pipe(Effect.provide(world(disk)))
  })
})

describe("DownloadLimits: bytesPerSecond", () => {
  it.effect.each([1, 4])("is the rate of all downloads together, within a twentieth: %d at once", (concurrency) => {
    const disk = makeDisk()
    return Effect.gen(function* () {
      const refs = [0, 1, 2, 3].map((n) => refAt(n))
      for (const ref of refs) yield* add(ref, patterned(500_000))
      const live = yield* LiveResponse
      const saving = live.saveAll(Stream.fromIterable(refs), { concurrency, limits: { bytesPerSecond: 100_000 } })
      const [took] = yield* inVirtualTime(Effect.timed(Stream.runDrain(saving)))
      assert.approximately(Duration.toMillis(took), 20_000, 1000)
    }).pipe(Effect.provide(world(disk)))
  })
})

describe("DownloadLimits: minFree", () => {
  it.effect.each([
    { name: "with what is announced of it", free: 30_000, minFree: 20_000, fits: false },
    { name: "alone", free: 60_000, minFree: 20_000, fits: true },
  ])("is checked before a result is written, $name", ({ fits, free, minFree }) => {
    const disk = makeDisk()
    return Effect.gen(function* () {
      yield* add(exampleRef, patterned(40_000))
      const { exit } = yield* saveAll([exampleRef], { minFree })
      assert.strictEqual(exit._tag, fits ? "Success" : "Failure")
      if (fits) return
      assert.match(JSON.stringify(exit), /LowDiskSpace.*30 kB are free, 20 kB are to stay free and 40 kB are still/)
      assert.deepStrictEqual(disk.paths(), [])
    }).pipe(Effect.provide(world(disk, () => free)))
  })

  it.effect("counts the announced bytes of all results in progress", () => {
    const disk = makeDisk()
    return Effect.gen(function* () {
      // Each of them fits alone, and both together do not.
      const store = yield* ResultStore.ResultStore
      const write = (ref: ResultRef) =>
        Effect.flatMap(store.open(ref), (writer) =>
          writer.write({ head: { length: 60_000 }, offset: 0, bytes: patterned(100) }),
        )
      yield* write(refAt(0))
      const error = yield* Effect.flip(write(refAt(1)))
      assert.strictEqual(error.problem, "LowDiskSpace")
    }).pipe(Effect.scoped, DownloadLimits.provide({ minFree: 20_000 }), Effect.provide(world(disk, () => 100_000)))
  })

  it.effect("is checked while a result is written, and leaves the part if another program fills the disk", () => {
    const disk = makeDisk()
    return Effect.gen(function* () {
      const content = patterned(8_000_000)
      yield* add(exampleRef, content)
      const { exit } = yield* saveAll([exampleRef], { minFree: 500_000 })
      assert.match(JSON.stringify(exit), /LowDiskSpace/)
      const left = writtenTo(disk)
      assert.isAtLeast(left, 1_000_000)
      assert.isBelow(left, content.length)
    }).pipe(
      Effect.provide(
        world(disk, () => {
          // Another program writes as much as this one.
          const written = writtenTo(disk)
          return 9e6 - (written > 2e6 ? written * 2 : written)
        }),
      ),
    )
  })

  it.effect("applies to an unpacked file, of which nothing is left", () => {
    const disk = makeDisk()
    const packed = gzipSync(Buffer.from(patterned(3_000_000)))
    return Effect.gen(function* () {
      yield* add(exampleRef, packed)
      const limits = { ...Extraction.defaultLimits, maxRatio: Infinity }
      const { exit } = yield* saveAll([exampleRef], { minFree: 1_000_000 }, { extract: limits })
      assert.match(JSON.stringify(exit), /LowDiskSpace/)
      assert.deepStrictEqual(disk.paths(), [`${directory}/${exampleRef.machineActionId}/0.gz`])
    }).pipe(Effect.provide(world(disk, () => packed.length + 2_500_000 - writtenTo(disk))))
  })

  it("is 1 GB by default, and 5 % of a small file system", () => {
    assert.deepStrictEqual([1e12, 20e9, 1e9].map(DownloadLimits.defaultMinFree), [1e9, 1e9, 50e6])
  })
})

describe("DownloadLimits: maxExtractTotal", () => {
  it.effect("limits all files of a batch together", () => {
    const disk = makeDisk()
    return Effect.gen(function* () {
      for (const n of [0, 1, 2]) yield* add(refAt(n), gzipSync(Buffer.from(patterned(10_000))))
      const refs = [refAt(0), refAt(1), refAt(2)]
      const extract = Extraction.defaultLimits
      const { events, exit } = yield* saveAll(refs, { maxExtractTotal: 20_000 }, { extract, concurrency: 1 })
      assert.strictEqual(exit._tag, "Success")
      assert.strictEqual(named(events, "extracted").length, 2)
      assert.match(JSON.stringify(named(events, "notExtracted")), /more than 20000 bytes .* of this batch/)
    }).pipe(Effect.provide(world(disk)))
  })
})

describe("Timing.minimumRate", () => {
  const linkAnswer = HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" })

  /** A storage that sends one piece of a result at each interval, from the requested offset. */
  const paced = (interval: Duration.Input, piece: Uint8Array, length: number) => {
    const asked: Array<string | undefined> = []
    const client = HttpClient.make((request, url, signal) =>
      Effect.sync(() => {
        if (url.pathname.startsWith("/api/")) return HttpServerResponse.toClientResponse(linkAnswer, { request })
        asked.push(request.headers.range)
        const from = Number(/\d+/.exec(request.headers.range ?? "0")?.[0])
        const closed = Effect.callback<never, string>((resume) =>
          signal.addEventListener("abort", () => resume(Effect.fail("closed")), { once: true }),
        )
        const body = Stream.fromEffectRepeat(Effect.raceFirst(Effect.as(Effect.sleep(interval), piece), closed)).pipe(
          Stream.take((length - from) / piece.length),
        )
        const answer = HttpServerResponse.stream(body, {
          status: from === 0 ? 200 : 206,
          contentLength: length - from,
          headers: { etag: '"0x1"', "content-range": `bytes ${from}-${length - 1}/${length}` },
        })
        return HttpServerResponse.toClientResponse(answer, { request })
      }),
    )
    return { asked, layer: layerOver(Layer.succeed(HttpClient.HttpClient, client)) }
  }
  const readBy = (each: Effect.Effect<void>) =>
    Effect.flatMap(Transfer, (transfer) =>
      inVirtualTime(Effect.exit(Stream.runForEach(transfer.chunks(exampleRef), () => each)), "10 hours"),
    )

  it.effect("ends a transfer that receives one byte before each stall timeout", () => {
    const { asked, layer } = paced("29 seconds", utf8("x"), 1e9)
    return Effect.gen(function* () {
      const exit = yield* readBy(Effect.void)
      assert.match(JSON.stringify(exit), /"_tag":"Stalled".*"rate":0\.0/)
      assert.strictEqual(asked.length, 6)
    }).pipe(Effect.provide(layer))
  })

  it.effect("permits a slow network, and does not count the time of a slow reader", () => {
    const { asked, layer } = paced("1 second", patterned(2000), 300_000)
    const pieces = { count: 0 }
    return Effect.gen(function* () {
      const exit = yield* readBy(
        Effect.andThen(
          Effect.sync(() => pieces.count++),
          Effect.sleep("3 minutes"),
        ),
      )
      assert.strictEqual(exit._tag, "Success")
      assert.strictEqual(pieces.count, 150)
      assert.strictEqual(asked.length, 1)
    }).pipe(Effect.provide(layer))
  })
})
