import { constants, gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Extraction from "@live-response/core/Extraction"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
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
    "unpacks what was packed, whatever the size of the pieces",
    [between(0, 200_000), between(1, 5000)],
    ([length, piece]) =>
      Effect.gen(function* () {
        const content = patterned(length)
        assert.deepStrictEqual(joined(yield* unpack(cut(gzipSync(content), piece))), joined([content]))
      }),
    { arbitrary: { runs: 20 } },
  )

  /** Whole members, each packed in another way. */
  const packed = [
    (content: Uint8Array) => gzipSync(content, { level: 0 }),
    (content: Uint8Array) => gzipSync(content, { level: 1 }),
    (content: Uint8Array) => gzipSync(content, { level: 9 }),
    (content: Uint8Array) => gzipSync(content, { strategy: constants.Z_FIXED }),
    (content: Uint8Array) => gzipSync(content, { strategy: constants.Z_HUFFMAN_ONLY }),
    (content: Uint8Array) => gzipSync(content, { strategy: constants.Z_RLE }),
    (content: Uint8Array) => named(gzipSync(content)),
  ]

  /** A member with every optional field in its header. */
  const named = (member: Uint8Array) =>
    Buffer.concat([
      member.subarray(0, 3).slice(),
      Uint8Array.of(2 | 4 | 8 | 16),
      member.subarray(4, 10),
      Uint8Array.of(3, 0, 1, 0, 2),
      utf8("a name\0a comment\0"),
      Uint8Array.of(0, 0),
      member.subarray(10),
    ])

  const anyMember = Schema.Struct({
    how: between(0, packed.length - 1),
    length: between(0, 70_000),
    isText: Schema.Boolean,
    padding: between(0, 20),
  })

  it.effect.prop(
    "unpacks all members, however they were packed and padded",
    [Schema.NonEmptyArray(anyMember), between(1, 20_000)],
    ([members, piece]) =>
      Effect.gen(function* () {
        const contents = members.map(({ isText, length }) =>
          isText ? utf8("2026-11-01 a line of a log\n".repeat(length / 20)) : patterned(length),
        )
        const file = members.flatMap(({ how, padding }, i) => [
          packed[how]?.(contents[i] ?? utf8("")) ?? utf8(""),
          new Uint8Array(padding),
        ])
        assert.isTrue(Buffer.concat(contents).equals(Buffer.concat(yield* unpack(cut(Buffer.concat(file), piece)))))
      }),
    { arbitrary: { runs: 60 } },
  )

  it.effect.each([
    { what: "a line", bytes: utf8("\r\n--end\r\n"), count: 9 },
    { what: "a line after padding", bytes: utf8("\0\0\0end"), count: 3 },
    { what: "a part of a header", bytes: Uint8Array.of(0x1f, 0x8b), count: 2 },
  ])("unpacks the content before other bytes, and warns about these: $what", ({ bytes, count }) =>
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void warnings.push(String(message)))])
      const file = Buffer.concat([gzipSync(utf8("content")), bytes])
      for (const piece of [1, 7, 1000]) {
        const text = Extraction.gunzip(cut(file, piece), undefined, { name: "0.gz" }).pipe(
          Stream.decodeText(),
          Stream.mkString,
        )
        assert.strictEqual(yield* Effect.provide(text, logger), "content")
      }
      assert.deepStrictEqual(
        [...new Set(warnings)],
        [`0.gz: the ${count} bytes after the end of its gzip data are not gzip and were not unpacked`],
      )
    }),
  )

  it.effect.prop(
    "fails only with an error that reports damage, whatever the bytes",
    [Schema.Uint8Array, between(0, 400), between(0, 255)],
    ([bytes, at, byte]) =>
      Effect.gen(function* () {
        const file = gzipSync(utf8("some text, some more text, and even more text".repeat(9)))
        const torn = file.slice()
        torn[at % file.length] = byte
        const head = file.subarray(0, 10)
        for (const content of [bytes, Buffer.concat([head, bytes]), torn, file.subarray(0, at % file.length)]) {
          const exit = yield* Effect.exit(unpack(cut(content, 13)))
          if (exit._tag === "Failure") assert.include(String(exit), "not unpacked: the file is damaged")
        }
      }),
    { arbitrary: { runs: 300 } },
  )

  it.effect("stops at the largest unpacked size, and not much later", () =>
    Effect.gen(function* () {
      let emitted = 0
      const counted = Extraction.gunzip(Stream.make(gzipSync(patterned(5_000_000))), {
        ...Extraction.defaultLimits,
        maxBytes: 1_000_000,
      }).pipe(Stream.runForEach((bytes) => Effect.sync(() => (emitted += bytes.length))))
      const error = yield* Effect.flip(counted)
      assert.deepInclude(error, { _tag: "ExtractionError", problem: "TooLarge" })
      assert.include(error.message, "more than 1000000 bytes")
      assert.isAtMost(emitted, 1_000_000)
    }),
  )

  it.effect("applies the default ratio from 1 MB on", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(unpack(Stream.make(gzipSync(new Uint8Array(1_200_000)))))
      assert.match(error.message, /more than 200 times/)
    }),
  )

  it.effect("stops at a decompression bomb", () =>
    Effect.gen(function* () {
      const bomb = gzipSync(new Uint8Array(50_000_000))
      assert.isBelow(bomb.length, 60_000)
      const error = yield* Effect.flip(unpack(cut(bomb, 1000), { ratioFrom: 1_000_000 }))
      assert.deepInclude(error, { problem: "TooLarge" })
      assert.include(error.message, "more than 200 times")
      // A high ratio, but a small file: not an attack.
      const zeros = yield* unpack(Stream.make(gzipSync(new Uint8Array(500_000))), { ratioFrom: 1_000_000 })
      assert.strictEqual(joined(zeros).length, 500_000)
    }),
  )

  it.effect.each([
    { what: "plain text", bytes: utf8("plain text") },
    { what: "a truncated file", bytes: gzipSync(patterned(10_000)).subarray(0, 100) },
    { what: "changed bytes", bytes: gzipSync(patterned(10_000)).fill(7, 60, 70) },
    {
      what: "changed content that only the checksum shows",
      bytes: gzipSync(new Uint8Array(99), { level: 0 }).fill(7, 60, 61),
    },
    { what: "another length in the trailer", bytes: new Uint8Array(gzipSync(new Uint8Array(99))).fill(7, -1) },
    { what: "a truncated second member", bytes: Buffer.concat([gzipSync("a"), gzipSync("b").subarray(0, 15)]) },
    { what: "an empty file", bytes: new Uint8Array() },
  ])("reports a damaged file: $what", ({ bytes }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(unpack(Stream.make(bytes)))
      assert.deepInclude(error, { _tag: "ExtractionError", problem: "Damaged" })
      assert.match(error.message, /^not unpacked: the file is damaged \(.+\); the packed file is unchanged$/)
    }),
  )

  it.effect("fails with the error of its source", () =>
    Effect.gen(function* () {
      const broken = Stream.concat(
        Stream.make(gzipSync(patterned(100_000)).subarray(0, 500)),
        Stream.fail("unreadable" as const),
      )
      assert.strictEqual(yield* Effect.flip(unpack(broken)), "unreadable")
    }),
  )
})
