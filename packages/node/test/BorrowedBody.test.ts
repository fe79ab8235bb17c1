/** Memory that is used again: the bytes of results are right for as long as somebody may read them. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Credential from "@live-response/core/Credential"
import * as DefenderApi from "@live-response/core/DefenderApi"
import * as LiveResponse from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import type { ResultChunk } from "@live-response/core/ResultChunk"
import type { ResultRef } from "@live-response/core/ResultRef"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Timing from "@live-response/core/Timing"
import * as Transfer from "@live-response/core/Transfer"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as NodeTransport from "@live-response/node/NodeTransport"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { bytesBy } from "../../core/test/support/bytes.ts"
import { seededRandom } from "../../core/test/support/seededRandom.ts"
import { listen } from "./support/loopbackServer.ts"
import { refAt, refsUpTo, tempDirectory } from "./support/samples.ts"

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Random sizes, the same for the same seed. */
const sizes = (seed: number) => {
  const random = seededRandom(seed)
  return (from: number, to: number) => from + Math.floor(random() * (to - from))
}

/** Content without repetition, so that no misplaced byte goes unnoticed. */
const contentOf = (seed: number, length: number): Uint8Array => {
  const random = seededRandom(seed)
  return bytesBy(length, () => random() * 256)
}

/** Sends the rest of the content in pieces of random sizes, and breaks the connection after some of them. */
const send = (content: Uint8Array, range: string | undefined, size: ReturnType<typeof sizes>, to: ServerResponse) => {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0)
  const head = { etag: '"0x1"', "x-ms-version": "1" }
  if (size(0, 2) === 0) Object.assign(head, { "content-length": content.length - from })
  if (from === 0) to.writeHead(200, head)
  else to.writeHead(206, { ...head, "content-range": `bytes ${from}-${content.length - 1}/${content.length}` })
  const sendFrom = (offset: number): void => {
    if (to.destroyed) return
    if (offset >= content.length) return void to.end()
    const end = offset + size(1, size(0, 4) === 0 ? 2000 : 300_000)
    to.write(content.subarray(offset, end))
    setImmediate(() => (size(0, 12) === 0 ? void to.destroy() : sendFrom(end)))
  }
  sendFrom(from)
}

/** A service with these results, whose connections break now and then. */
const serve = (contents: ReadonlyArray<Uint8Array>, seed: number) => {
  const size = sizes(seed)
  return listen((request: IncomingMessage, response: ServerResponse) => {
    const { headers, url = "" } = request
    const index = Number(/index=(\d+)/.exec(url)?.[1] ?? /^\/blob\/(\d+)/.exec(url)?.[1] ?? 0)
    if (url.startsWith("/blob/")) {
      send(contents[index] ?? new Uint8Array(), headers.range, size, response)
    } else {
      response.end(JSON.stringify({ value: `http://${headers.host}/blob/${index}?sig=a` }))
    }
  })
}

const patient: Partial<Timing.Settings> = { transfer: Schedule.spaced("1 millis") }

const libraryAt = (base: string, directory: string) =>
  LiveResponse.layer.pipe(
    Layer.provideMerge(Transfer.layer),
    Layer.provideMerge(DefenderApi.layer({ base })),
    Layer.provideMerge(
      Layer.mergeAll(
        ResultStore.layerFileSystem({ directory }).pipe(
          Layer.provide([NodeHasher.layer, NodeFileSystem.layer, NodePath.layer]),
        ),
        Manifest.layerMemory,
        Quota.layer({ windows: Quota.linkWindows({ perMinute: 100_000, perHour: 100_000 }) }).pipe(
          Layer.provide(QuotaStore.layerMemory),
        ),
      ),
    ),
    Layer.provide([NodeTransport.layer, Timing.layer(patient), Credential.layerToken(Redacted.make("token"))]),
  )

const refs = refsUpTo(6)

type Services =
  | Transfer.Transfer
  | LiveResponse.LiveResponse
  | ResultStore.ResultStore
  | Manifest.Manifest
  | Quota.Quota

/** Some results of different sizes over such a service. */
const withResults = <A, E>(
  seed: number,
  test: (contents: ReadonlyArray<Uint8Array>, directory: string) => Effect.Effect<A, E, Services>,
) =>
  Effect.gen(function* () {
    const size = sizes(seed)
    const contents = refs.map((_, n) => contentOf(seed + n, size(1, n === 0 ? 5000 : 3_000_000)))
    const directory = yield* tempDirectory
    const base = yield* serve(contents, seed)
    return yield* Effect.provide(test(contents, directory), libraryAt(base, directory))
  }).pipe(Effect.scoped)

/** Lets other downloads continue for some turns of the event loop. */
const pause = (turns: number) =>
  Effect.replicateEffect(
    Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void))),
    turns,
    { discard: true },
  )

const seeds = [1, 2, 3, 4, 5].map((seed) => ({ seed }))

describe("Transfer.chunks, borrowed", () => {
  it.live.each(seeds)("have the right bytes until the next one is pulled, by a slow consumer, $seed", ({ seed }) =>
    withResults(seed, (contents) =>
      Effect.gen(function* () {
        const size = sizes(seed)
        const transfer = yield* Transfer.Transfer
        const read = Effect.fnUntraced(function* (ref: ResultRef) {
          const copy = new Uint8Array(contents[ref.index]?.length ?? 0)
          yield* Stream.runForEach(transfer.chunks(ref, undefined, { borrowed: true }), ({ bytes, offset }) =>
            Effect.andThen(
              pause(size(0, 5)),
              Effect.sync(() => copy.set(bytes, offset)),
            ),
          )
          return hashOf(copy)
        })
        const hashes = yield* Effect.forEach(refs, read, { concurrency: refs.length })
        assert.deepStrictEqual(hashes, contents.map(hashOf))
      }),
    ),
  )

  it.live("are empty once the next one was pulled, and never have other bytes", () =>
    withResults(1, () =>
      Effect.gen(function* () {
        const transfer = yield* Transfer.Transfer
        const kept = yield* Effect.forEach(
          refs,
          (ref) => Stream.runCollect(transfer.chunks(ref, undefined, { borrowed: true })),
          { concurrency: refs.length },
        )
        const chunks = kept.flat()
        assert.isAbove(chunks.length, refs.length)
        for (const { bytes } of chunks) assert.strictEqual(bytes.length, 0)
      }),
    ),
  )

  it.live("keep their bytes where they are not asked for", () =>
    withResults(2, (contents) =>
      Effect.gen(function* () {
        const transfer = yield* Transfer.Transfer
        const read = (ref: ResultRef) => Stream.runCollect(transfer.bytes(ref))
        const kept = yield* Effect.forEach(refs, read, { concurrency: refs.length })
        assert.deepStrictEqual(
          kept.map((chunks) => hashOf(Buffer.concat(chunks))),
          contents.map(hashOf),
        )
      }),
    ),
  )
})

describe("LiveResponse.save", () => {
  it.live.each(seeds)("stores what was served, although downloads are interrupted and resumed, $seed", ({ seed }) =>
    withResults(seed, (contents, directory) =>
      Effect.gen(function* () {
        const size = sizes(seed)
        const live = yield* LiveResponse.LiveResponse
        const save = Effect.fnUntraced(function* (ref: ResultRef) {
          for (let interruption = 0; interruption < 3; interruption++) {
            const fiber = yield* Effect.forkChild(live.save(ref))
            yield* pause(size(0, 60))
            yield* Fiber.interrupt(fiber)
          }
          return yield* live.save(ref)
        })
        const stored = yield* Effect.forEach(refs, save, { concurrency: refs.length })
        const expected = contents.map(hashOf)
        assert.deepStrictEqual(
          stored.map(({ sha256 }) => sha256),
          expected,
        )
        assert.deepStrictEqual(
          stored.map(({ path }) => hashOf(readFileSync(join(directory, path)))),
          expected,
        )
      }),
    ),
  )

  it.live("lends no memory to a program's own store, even if that wraps one of this library", () =>
    withResults(3, (contents) =>
      Effect.gen(function* () {
        const kept: Array<ResultChunk> = []
        const keeping = Effect.map(ResultStore.ResultStore, (store) => ({
          ...store,
          open: (ref: ResultRef) =>
            Effect.map(store.open(ref), (writer) => ({
              ...writer,
              write: (chunk: ResultChunk) => {
                kept.push(chunk)
                return writer.write(chunk)
              },
            })),
        }))
        const [ref = refAt(0)] = refs.slice(1)
        yield* Effect.flatMap(LiveResponse.make, (live) => live.save(ref)).pipe(
          Effect.provideServiceEffect(ResultStore.ResultStore, keeping),
        )
        const content = contents[ref.index] ?? new Uint8Array()
        const copy = new Uint8Array(content.length)
        for (const { bytes, offset } of kept) copy.set(bytes, offset)
        assert.strictEqual(hashOf(copy), hashOf(content))
      }),
    ),
  )
})
