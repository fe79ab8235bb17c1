/** What every store of objects does. */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as ObjectStore from "@live-response/core/ObjectStore"
import type { ObjectStoreError } from "@live-response/core/ObjectStoreError"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { sharedLayer } from "../../../core/test/support/sharedLayer.ts"
import { patterned, utf8 } from "./samples.ts"

const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Bytes as content, in pieces that fit no block. */
export const contentOf = (bytes: Uint8Array, piece = 70_001): ObjectStore.Content => ({
  bytes: bytes.length,
  sha256: sha256Of(bytes),
  stream: Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / piece) }, (_, i) => bytes.subarray(i * piece, (i + 1) * piece)),
  ),
})

export const readAll = (path: string) =>
  Effect.flatMap(ObjectStore.ObjectStore, (store) =>
    Effect.map(Stream.runCollect(store.read(path)), (chunks) => Buffer.concat(chunks)),
  )

const same = (actual: Uint8Array, expected: Uint8Array) =>
  assert.isTrue(Buffer.compare(actual, expected) === 0, "the bytes are the same")

const reasonOf = ({ reason }: ObjectStoreError) => reason._tag

/** Sizes around the limits of a kind of store, in bytes. */
export const suite = <E>(
  name: string,
  built: Layer.Layer<ObjectStore.ObjectStore, E>,
  { sizes = [0, 1, 5000] }: { readonly sizes?: ReadonlyArray<number> } = {},
) => {
  describe(name, () => {
    const layer = sharedLayer(built)

    it.live.each(sizes.map((size) => ({ size })))("stores and reads $size bytes", ({ size }) =>
      Effect.gen(function* () {
        const { info, put } = yield* ObjectStore.ObjectStore
        const bytes = patterned(size)
        const path = `sizes/${size}/0.bin`
        assert.isTrue(Option.isNone(yield* info(path)))
        assert.strictEqual(yield* put(path, contentOf(bytes)), "stored")
        const found = Option.getOrThrow(yield* info(path))
        assert.strictEqual(found.bytes, size)
        if (found.sha256 !== undefined) assert.strictEqual(found.sha256, sha256Of(bytes))
        same(yield* readAll(path), bytes)
        assert.strictEqual(yield* put(path, contentOf(bytes)), "same")
      }).pipe(Effect.provide(layer)),
    )

    it.live.each(sizes.filter((size) => size > 0).map((size) => ({ size })))(
      "replaces nothing: other content of $size bytes is refused, and so is one that is shorter",
      ({ size }) =>
        Effect.gen(function* () {
          const { address, put } = yield* ObjectStore.ObjectStore
          const bytes = patterned(size)
          const path = `different/${size}/0.bin`
          yield* put(path, contentOf(bytes))
          for (const other of [patterned(size, 1), bytes.subarray(1)]) {
            const error = yield* Effect.flip(put(path, contentOf(other)))
            assert.strictEqual(reasonOf(error), "Different")
            assert.isTrue(error.isOfObject)
            assert.isFalse(error.isRetryable)
            assert.include(error.message, `${address}/${path}`)
          }
          same(yield* readAll(path), bytes)
        }).pipe(Effect.provide(layer)),
    )

    it.live.each(sizes.filter((size) => size > 0).map((size) => ({ size })))(
      "has one of those that put $size bytes at once, and all others see the same or another content",
      ({ size }) =>
        Effect.gen(function* () {
          const { put } = yield* ObjectStore.ObjectStore
          const [one, other] = [patterned(size), patterned(size, 1)]
          const outcomes = yield* Effect.forEach(
            [one, one, one, other, other, other],
            (bytes) =>
              Effect.match(put(`race/${size}/0.bin`, contentOf(bytes)), { onSuccess: String, onFailure: reasonOf }),
            { concurrency: "unbounded" },
          )
          const stored = yield* readAll(`race/${size}/0.bin`)
          const isOne = Buffer.compare(stored, one) === 0
          if (!isOne) same(stored, other)
          const [ofOne, ofOther] = [outcomes.slice(0, 3).toSorted(), outcomes.slice(3).toSorted()]
          assert.deepStrictEqual(isOne ? ofOne : ofOther, ["same", "same", "stored"])
          assert.deepStrictEqual(isOne ? ofOther : ofOne, ["Different", "Different", "Different"])
        }).pipe(Effect.provide(layer)),
    )

    it.live.each(sizes.filter((size) => size > 1).map((size) => ({ size })))(
      "stores nothing of $size bytes that are not what was announced",
      ({ size }) =>
        Effect.gen(function* () {
          const { info, put } = yield* ObjectStore.ObjectStore
          const bytes = patterned(size)
          const path = `changed/${size}/0.bin`
          const right = contentOf(bytes)
          const wrong = [
            { ...right, sha256: sha256Of(utf8("another")) },
            { ...right, stream: contentOf(bytes.subarray(1)).stream },
            { ...right, stream: Stream.concat(right.stream, Stream.succeed(utf8("more"))) },
          ]
          for (const content of wrong) {
            const error = yield* Effect.flip(put(path, content))
            assert.strictEqual(reasonOf(error), "Changed", error.message)
            assert.isTrue(Option.isNone(yield* info(path)))
          }
          assert.strictEqual(yield* put(path, right), "stored")
        }).pipe(Effect.provide(layer)),
    )

    it.live("passes on what the content fails with, and stores nothing", () =>
      Effect.gen(function* () {
        const { info, put } = yield* ObjectStore.ObjectStore
        for (const size of sizes) {
          const content = contentOf(patterned(size))
          const stream = Stream.concat(content.stream, Stream.fail("the disk is broken" as const))
          assert.strictEqual(yield* Effect.flip(put("broken/0.bin", { ...content, stream })), "the disk is broken")
          assert.isTrue(Option.isNone(yield* info("broken/0.bin")))
        }
      }).pipe(Effect.provide(layer)),
    )

    it.live("has no object that nobody stored, and none under what is not a name", () =>
      Effect.gen(function* () {
        const { info, put, read } = yield* ObjectStore.ObjectStore
        yield* put("there/a/0.bin", contentOf(utf8("a")))
        for (const path of ["nobody", "there", "there/a", "there/a/1.bin", "there/b/0.bin"]) {
          assert.isTrue(Option.isNone(yield* info(path)))
          assert.strictEqual(reasonOf(yield* Effect.flip(Stream.runDrain(read(path)))), "Missing")
        }
        for (const path of ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/.b", "a b", "a?b", "a%2fb", "a\\b", "ä"]) {
          assert.strictEqual(reasonOf(yield* Effect.flip(info(path))), "NotAName")
          assert.strictEqual(reasonOf(yield* Effect.flip(Stream.runDrain(read(path)))), "NotAName")
          assert.strictEqual(reasonOf(yield* Effect.flip(put(path, contentOf(utf8("a"))))), "NotAName")
        }
      }).pipe(Effect.provide(layer)),
    )
  })
}
