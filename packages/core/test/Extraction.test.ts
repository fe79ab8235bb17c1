import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Extraction from "@live-response/core/Extraction"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { joined, patterned, utf8 } from "./support/bytes.ts"

const unpack = <E>(chunks: Stream.Stream<Uint8Array, E>, limits?: Partial<Extraction.Limits>) =>
  Stream.runCollect(Extraction.gunzip(chunks, { ...Extraction.defaultLimits, ...limits }))

const cut = (bytes: Uint8Array, length: number) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) => bytes.subarray(i * length, (i + 1) * length)),
  )

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("Extraction.gunzip", () => {
  it.effect.prop(
    "gives what was packed, however it comes in pieces",
    [between(0, 200_000), between(1, 5000)],
    ([length, piece]) =>
      Effect.gen(function* () {
        const content = patterned(length)
        assert.deepStrictEqual(joined(yield* unpack(cut(gzipSync(content), piece))), joined([content]))
      }),
    { arbitrary: { runs: 20 } },
  )

  it.effect("stops at the size that may come out, and not much later", () =>
    Effect.gen(function* () {
      let given = 0
      const counted = Extraction.gunzip(Stream.make(gzipSync(patterned(5_000_000))), {
        ...Extraction.defaultLimits,
        maxBytes: 1_000_000,
      }).pipe(Stream.runForEach((bytes) => Effect.sync(() => (given += bytes.length))))
      const error = yield* Effect.flip(counted)
      assert.deepInclude(error, { _tag: "ExtractionError", problem: "TooLarge" })
      assert.include(error.message, "more than 1000000 bytes")
      assert.isAtMost(given, 1_000_000)
    }),
  )

  it.effect("stops at a bomb: a file of zeros that is far more than what it has", () =>
    Effect.gen(function* () {
      const bomb = gzipSync(new Uint8Array(50_000_000))
      assert.isBelow(bomb.length, 60_000)
      const error = yield* Effect.flip(unpack(cut(bomb, 1000), { denseFrom: 1_000_000 }))
      assert.deepInclude(error, { problem: "TooLarge" })
      assert.include(error.message, "more than 200 times")
      // Dense, but small: no attack.
      const zeros = yield* unpack(Stream.make(gzipSync(new Uint8Array(500_000))), { denseFrom: 1_000_000 })
      assert.strictEqual(joined(zeros).length, 500_000)
    }),
  )

  it.effect.each([
    { what: "no gzip", bytes: utf8("plain text") },
    { what: "an end that is missing", bytes: gzipSync(patterned(10_000)).subarray(0, 100) },
    { what: "a byte that is another", bytes: gzipSync(patterned(10_000)).fill(7, 60, 70) },
    { what: "nothing", bytes: new Uint8Array() },
  ])("says that a file is damaged: $what", ({ bytes }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(unpack(Stream.make(bytes)))
      assert.deepInclude(error, { _tag: "ExtractionError", problem: "Damaged" })
      assert.match(error.message, /^not unpacked: the file is damaged \(.+\); it is kept as it came$/)
    }),
  )

  it.effect("fails with what its source fails with", () =>
    Effect.gen(function* () {
      const broken = Stream.concat(
        Stream.make(gzipSync(patterned(100_000)).subarray(0, 500)),
        Stream.fail("unreadable" as const),
      )
      assert.strictEqual(yield* Effect.flip(unpack(broken)), "unreadable")
    }),
  )
})
