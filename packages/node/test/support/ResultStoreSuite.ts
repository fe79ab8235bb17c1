/** What every store of results does. */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { ResultHead } from "@live-response/core/ResultChunk"
import * as ResultStore from "@live-response/core/ResultStore"
import type { StoreError } from "@live-response/core/StoreError"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { patterned, refAt, utf8 } from "./samples.ts"

const ref = refAt(0)
const content = patterned(5000)
const head = ResultHead.make({ length: content.length, etag: `"0x1"` })
const none = ResultHead.make({})

const hashed = (algorithm: "md5" | "sha256", bytes: Uint8Array, encoding: "hex" | "base64") =>
  createHash(algorithm).update(bytes).digest(encoding)

const open = Effect.flatMap(ResultStore.ResultStore, (store) => store.open(ref))
const readAll = (path: string) =>
  Effect.flatMap(ResultStore.ResultStore, (store) =>
    Effect.map(Stream.runCollect(store.read(path)), (chunks) => Buffer.concat(chunks)),
  )

/** Writes the bytes from one offset to another, and leaves. */
const writeAndLeave = (bytes: Uint8Array, from: number, to: number, announced = head) =>
  Effect.scoped(
    Effect.gen(function* () {
      const writer = yield* open
      yield* writer.write({ head: announced, offset: from, bytes: bytes.subarray(from, to) })
    }),
  )

const same = (actual: Uint8Array, expected: Uint8Array) =>
  assert.isTrue(Buffer.compare(actual, expected) === 0, "the bytes are the same")

/** `replaces`: whether a result that is stored again, with other content, takes the place of the first one. */
export const suite = (
  name: string,
  layer: Layer.Layer<ResultStore.ResultStore, StoreError>,
  { replaces }: { readonly replaces: boolean } = { replaces: true },
) => {
  describe(name, () => {
    it.live.each([
      { what: "JSON", bytes: utf8(`{"script_name":"a"}`), extension: "json" },
      { what: "JSON behind space", bytes: utf8(` \r\n\t{}`), extension: "json" },
      { what: "JSON behind a byte order mark", bytes: utf8(`\uFEFF{}`), extension: "json" },
      { what: "gzip", bytes: Uint8Array.of(0x1f, 0x8b, 8, 0), extension: "gz" },
      { what: "half of gzip's mark", bytes: Uint8Array.of(0x1f), extension: "bin" },
      { what: "text", bytes: utf8("PK"), extension: "bin" },
      { what: "a list", bytes: utf8("[{}]"), extension: "bin" },
      { what: "a brace later on", bytes: utf8("a {"), extension: "bin" },
      { what: "nothing", bytes: new Uint8Array(), extension: "bin" },
    ])("names a result by its first bytes: $what", ({ bytes, extension }) =>
      Effect.gen(function* () {
        const writer = yield* open
        yield* writer.write({ head: none, offset: 0, bytes: bytes.subarray(0, 1) })
        if (bytes.length > 1) yield* writer.write({ head: none, offset: 1, bytes: bytes.subarray(1) })
        const stored = yield* writer.complete
        assert.strictEqual(stored.path, `${ref.machineActionId}/${ref.index}.${extension}`)
        same(yield* readAll(stored.path), bytes)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("returns size, hash and ETag of a stored result", () =>
      Effect.gen(function* () {
        const writer = yield* open
        assert.isUndefined(writer.resume)
        yield* writer.write({ head, offset: 0, bytes: content })
        assert.deepStrictEqual(yield* writer.complete, {
          path: `${ref.machineActionId}/0.bin`,
          bytes: content.length,
          sha256: hashed("sha256", content, "hex"),
          etag: `"0x1"`,
        })
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("has a stored result, by path and size", () =>
      Effect.gen(function* () {
        const store = yield* ResultStore.ResultStore
        assert.isFalse(yield* store.has({ path: `${ref.machineActionId}/0.bin`, bytes: content.length }))
        const writer = yield* open
        yield* writer.write({ head, offset: 0, bytes: content })
        assert.isFalse(yield* store.has({ path: `${ref.machineActionId}/0.bin`, bytes: content.length }))
        const stored = yield* writer.complete
        assert.isTrue(yield* store.has(stored))
        assert.isFalse(yield* store.has({ ...stored, bytes: stored.bytes - 1 }))
        assert.isFalse(yield* store.has({ ...stored, path: `${ref.machineActionId}/1.bin` }))
        assert.isFalse(yield* store.has({ path: ref.machineActionId, bytes: 0 }))
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("fails to read a file that it does not have", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(readAll(`${ref.machineActionId}/0.bin`))
        assert.strictEqual(error._tag, "StoreError")
        assert.include(error.message, `${ref.machineActionId}/0.bin`)
      }).pipe(Effect.provide(layer)),
    )

    it.live("resumes what an earlier writer left", () =>
      Effect.gen(function* () {
        yield* writeAndLeave(content, 0, 2000)
        const writer = yield* open
        assert.strictEqual(writer.resume?.offset, 2000)
        assert.deepStrictEqual({ ...writer.resume?.head }, { ...head })
        yield* writer.write({ head, offset: 2000, bytes: content.subarray(2000) })
        const stored = yield* writer.complete
        assert.strictEqual(stored.sha256, hashed("sha256", content, "hex"))
        same(yield* readAll(stored.path), content)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("resumes after the last byte", () =>
      Effect.gen(function* () {
        yield* writeAndLeave(content, 0, content.length)
        const writer = yield* open
        assert.strictEqual(writer.resume?.offset, content.length)
        const stored = yield* writer.complete
        assert.strictEqual(stored.sha256, hashed("sha256", content, "hex"))
        same(yield* readAll(stored.path), content)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("keeps the bytes of a result when a writer writes nothing", () =>
      Effect.gen(function* () {
        yield* writeAndLeave(content, 0, 2000)
        for (let i = 0; i < 3; i++) yield* Effect.scoped(open)
        assert.strictEqual((yield* open).resume?.offset, 2000)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    const lengths = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 900_000 }))
    it.live.prop(
      "stores the same bytes however they are cut, and however often its writers leave",
      [Arbitrary.array(Arbitrary.schema(Schema.Struct({ length: lengths, leave: Schema.Boolean })), { maxLength: 8 })],
      ([pieces]) =>
        Effect.gen(function* () {
          const bytes = patterned(pieces.reduce((sum, { length }) => sum + length, 1))
          const md5 = hashed("md5", bytes, "base64")
          const announced = ResultHead.make({ length: bytes.length, etag: `"0x1"`, md5 })
          let offset = 0
          let rest = [...pieces, { length: 1, leave: false }]
          while (rest.length > 0) {
            yield* Effect.scoped(
              Effect.gen(function* () {
                const writer = yield* open
                assert.strictEqual(writer.resume?.offset ?? 0, offset)
                while (rest.length > 0) {
                  const [piece, ...others] = rest
                  if (piece === undefined) return
                  rest = others
                  const end = offset + piece.length
                  yield* writer.write({ head: announced, offset, bytes: bytes.subarray(offset, end) })
                  offset = end
                  if (piece.leave) return
                }
                const stored = yield* writer.complete
                assert.strictEqual(stored.sha256, hashed("sha256", bytes, "hex"))
                same(yield* readAll(stored.path), bytes)
              }),
            )
          }
        }).pipe(Effect.provide(layer)),
      { arbitrary: { runs: 15 } },
    )

    it.live("starts over with a chunk at offset 0", () =>
      Effect.gen(function* () {
        const other = patterned(3000, 9)
        const announced = ResultHead.make({ length: other.length, etag: `"0x2"`, md5: hashed("md5", other, "base64") })
        const writer = yield* open
        yield* writer.write({ head, offset: 0, bytes: content.subarray(0, 4000) })
        yield* writer.write({ head: announced, offset: 0, bytes: other.subarray(0, 1000) })
        yield* writer.write({ head: announced, offset: 1000, bytes: other.subarray(1000) })
        const stored = yield* writer.complete
        assert.deepInclude(stored, { bytes: other.length, etag: `"0x2"`, sha256: hashed("sha256", other, "hex") })
        same(yield* readAll(stored.path), other)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("starts over after an earlier writer, and may be resumed again", () =>
      Effect.gen(function* () {
        const other = patterned(3000, 9)
        const announced = ResultHead.make({ length: other.length, etag: `"0x2"` })
        yield* writeAndLeave(content, 0, 4000)
        yield* writeAndLeave(other, 0, 1000, announced)
        const writer = yield* open
        assert.strictEqual(writer.resume?.offset, 1000)
        assert.strictEqual(writer.resume?.head.etag, `"0x2"`)
        yield* writer.write({ head: announced, offset: 1000, bytes: other.subarray(1000) })
        same(yield* readAll((yield* writer.complete).path), other)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("starts over in the middle of a large result", () =>
      Effect.gen(function* () {
        const large = patterned(3_000_000)
        const other = patterned(2_500_000, 9)
        const announced = ResultHead.make({ length: other.length, etag: `"0x2"` })
        const writer = yield* open
        yield* writer.write({ head, offset: 0, bytes: large })
        yield* writer.write({ head: announced, offset: 0, bytes: other })
        same(yield* readAll((yield* writer.complete).path), other)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live.each<{ readonly what: string; readonly announced: ResultHead; readonly mismatch: "length" | "md5" }>([
      { what: "too short", announced: ResultHead.make({ length: content.length + 1 }), mismatch: "length" },
      { what: "too long", announced: ResultHead.make({ length: content.length - 1 }), mismatch: "length" },
      {
        what: "another MD5",
        announced: ResultHead.make({ length: content.length, md5: hashed("md5", utf8("a"), "base64") }),
        mismatch: "md5",
      },
    ])("stores nothing if the bytes are not what was announced: $what", ({ announced, mismatch }) =>
      Effect.gen(function* () {
        const store = yield* ResultStore.ResultStore
        const attempt = Effect.gen(function* () {
          const writer = yield* open
          yield* writer.write({ head: announced, offset: 0, bytes: content })
          return yield* writer.complete
        })
        const error = yield* Effect.flip(Effect.scoped(attempt))
        const reason = error._tag === "TransferError" ? error.reason : undefined
        assert.strictEqual(reason?._tag === "Mismatch" && reason.what, mismatch)
        assert.include(error.message, String(ref))
        assert.isFalse(yield* store.has({ path: `${ref.machineActionId}/0.bin`, bytes: content.length }))
        assert.isUndefined((yield* open).resume)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("checks an MD5 over the bytes of earlier writers as well", () =>
      Effect.gen(function* () {
        const announced = ResultHead.make({
          length: content.length,
          etag: `"0x1"`,
          md5: hashed("md5", content, "base64"),
        })
        const wrong = patterned(5000, 1)
        yield* writeAndLeave(wrong, 0, 2000, announced)
        const attempt = Effect.gen(function* () {
          const writer = yield* open
          yield* writer.write({ head: announced, offset: 2000, bytes: content.subarray(2000) })
          return yield* writer.complete
        })
        assert.strictEqual((yield* Effect.flip(Effect.scoped(attempt)))._tag, "TransferError")
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live(replaces ? "replaces a stored result" : "accepts an equal result for a stored one", () =>
      Effect.gen(function* () {
        for (const bytes of [content, replaces ? patterned(100, 3) : content]) {
          const writer = yield* open
          assert.isUndefined(writer.resume)
          yield* writer.write({ head: none, offset: 0, bytes })
          same(yield* readAll((yield* writer.complete).path), bytes)
        }
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("writes many results at once", () =>
      Effect.gen(function* () {
        const store = yield* ResultStore.ResultStore
        const one = Effect.fnUntraced(function* (n: number) {
          const writer = yield* store.open(refAt(n))
          const bytes = patterned(1000 + n, n)
          for (let offset = 0; offset < bytes.length; offset += 100) {
            yield* writer.write({ head: none, offset, bytes: bytes.subarray(offset, offset + 100) })
            yield* Effect.yieldNow
          }
          const stored = yield* writer.complete
          same(yield* readAll(stored.path), bytes)
          return stored.path
        }, Effect.scoped)
        const paths = yield* Effect.forEach(
          Array.from({ length: 25 }, (_, n) => n),
          one,
          { concurrency: "unbounded" },
        )
        assert.strictEqual(new Set(paths).size, 25)
      }).pipe(Effect.provide(layer)),
    )

    it.live("has one writer at a time for a result: another waits, and resumes what was left", () =>
      Effect.gen(function* () {
        const first = yield* Scope.make()
        const writer = yield* Scope.provide(open, first)
        yield* writer.write({ head, offset: 0, bytes: content.subarray(0, 2000) })
        const second = yield* Effect.forkChild(
          Effect.scoped(
            Effect.gen(function* () {
              const writer = yield* open
              assert.strictEqual(writer.resume?.offset, 2000)
              yield* writer.write({ head, offset: 2000, bytes: content.subarray(2000) })
              return yield* writer.complete
            }),
          ),
          { startImmediately: true },
        )
        for (let n = 0; n < 10; n++) yield* Effect.yieldNow
        assert.isUndefined(second.pollUnsafe())
        yield* Scope.close(first, Exit.void)
        const stored = yield* Fiber.join(second)
        assert.strictEqual(stored.sha256, hashed("sha256", content, "hex"))
        same(yield* readAll(stored.path), content)
      }).pipe(Effect.provide(layer)),
    )

    it.live("stores the same bytes if many write the same result at once", () =>
      Effect.gen(function* () {
        const one = Effect.gen(function* () {
          const writer = yield* open
          for (let offset = writer.resume?.offset ?? 0; offset < content.length; offset += 1000) {
            yield* writer.write({ head, offset, bytes: content.subarray(offset, offset + 1000) })
            yield* Effect.yieldNow
          }
          return yield* writer.complete
        })
        const all = yield* Effect.all(
          Array.from({ length: 5 }, () => Effect.scoped(one)),
          { concurrency: "unbounded" },
        )
        for (const { bytes, path, sha256 } of all) {
          assert.deepStrictEqual({ bytes, sha256 }, { bytes: content.length, sha256: hashed("sha256", content, "hex") })
          same(yield* readAll(path), content)
        }
      }).pipe(Effect.provide(layer)),
    )

    it.live("stops waiting when it is interrupted, or when the writer before it fails or completes", () =>
      Effect.gen(function* () {
        const first = yield* Scope.make()
        const writer = yield* Scope.provide(open, first)
        const waiting = yield* Effect.forkChild(Effect.scoped(open), { startImmediately: true })
        yield* Fiber.interrupt(waiting)
        yield* writer.write({ head, offset: 0, bytes: content.subarray(1) })
        assert.strictEqual((yield* Effect.flip(writer.complete))._tag, "TransferError")
        // The scope of the first writer is still open.
        const next = yield* open
        assert.isUndefined(next.resume)
        yield* next.write({ head, offset: 0, bytes: content })
        yield* next.complete
        assert.isUndefined((yield* open).resume)
        yield* Scope.close(first, Exit.void)
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )

    it.live("stores one of two files whole if both are written to one path at once", () =>
      Effect.gen(function* () {
        const store = yield* ResultStore.ResultStore
        const path = `${ref.machineActionId}/0.unpacked`
        const writer = yield* open
        yield* writer.write({ head: none, offset: 0, bytes: content })
        yield* writer.complete
        const keep = (bytes: Uint8Array) =>
          store.write(
            path,
            Stream.fromIterable([bytes.subarray(0, 1000), bytes.subarray(1000)]).pipe(
              Stream.tap(() => Effect.yieldNow),
            ),
          )
        const other = patterned(7000, 5)
        if (replaces) {
          const sizes = yield* Effect.all([keep(content), keep(other)], { concurrency: 2 })
          assert.deepStrictEqual(sizes, [content.length, other.length])
          same(yield* readAll(path), other)
        } else {
          const kept = yield* Effect.all([keep(content), Effect.flip(keep(other))], { concurrency: 2 })
          assert.strictEqual(kept[0], content.length)
          assert.isTrue(kept[1].ofResult)
          same(yield* readAll(path), content)
        }
      }).pipe(Effect.scoped, Effect.provide(layer)),
    )
  })
}
