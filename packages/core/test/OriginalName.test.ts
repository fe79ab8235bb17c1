/** The name that a result had on its machine, which may be hostile. */
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { LiveResponse } from "@live-response/core/LiveResponse"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Live from "@live-response/core/LiveResponse"
import * as Manifest from "@live-response/core/Manifest"
import * as Quota from "@live-response/core/Quota"
import * as QuotaStore from "@live-response/core/QuotaStore"
import * as ResultStore from "@live-response/core/ResultStore"
import * as Schema from "effect/Schema"
import { exampleRef } from "./support/refs.ts"
import { scripted } from "./support/scripted.ts"
import { layerOver } from "./support/world.ts"

const { inVirtualTime } = LiveResponseTest

/** A gzip file with this name in its header, in latin-1. */
const gzipped = (name: string, extra = 0): Uint8Array => {
  const plain = gzipSync("content")
  const flags = 8 | (extra === 0 ? 0 : 4)
  const field = extra === 0 ? [] : [extra & 255, extra >> 8, ...Array.from({ length: extra }, () => 65)]
  const header = [...plain.subarray(0, 3), flags, ...plain.subarray(4, 10), ...field]
  return Uint8Array.from([...header, ...Buffer.from(name, "latin1"), 0, ...plain.subarray(10)])
}

/** Stores a result with these headers and bytes. */
const stored = Effect.fnUntraced(function* (bytes: Uint8Array, headers: Record<string, string> = {}) {
  const { layer } = scripted(
    HttpServerResponse.jsonUnsafe({ value: "https://example.blob.core.windows.net/r?sig=a" }),
    HttpServerResponse.uint8Array(bytes, { headers: { etag: `"0x1"`, ...headers } }),
  )
  const services = Live.layer.pipe(
    Layer.provide([
      layerOver(layer),
      ResultStore.layerMemory,
      Manifest.layerMemory,
      Quota.layer().pipe(Layer.provide(QuotaStore.layerMemory)),
    ]),
  )
  return yield* Effect.provide(inVirtualTime(Effect.flatMap(LiveResponse, (live) => live.save(exampleRef))), services)
})

const disposed = (value: string) => stored(new TextEncoder().encode("x"), { "content-disposition": value })

describe("the name of a result", () => {
  it.effect.each([
    { value: `attachment; filename="a b.log"`, name: "a b.log" },
    { value: "attachment; filename=a.log", name: "a.log" },
    { value: `attachment; filename="plain.txt"; filename*=UTF-8''caf%C3%A9.txt`, name: "café.txt" },
    { value: `attachment; filename*=utf-8''%ZZ; filename="b.txt"`, name: "b.txt" },
    { value: String.raw`attachment; filename="C:\\Temp\\a.log"`, name: "a.log" },
    { value: `attachment; filename="../../etc/passwd"`, name: "passwd" },
    { value: `attachment; filename*=UTF-8''a%1B%5B31mb%0Ac%E2%80%AE.txt`, name: "a[31mbc.txt" },
    { value: `attachment; filename=".."`, name: undefined },
    { value: "inline", name: undefined },
  ])("is that of Content-Disposition: $value", ({ name, value }) =>
    Effect.gen(function* () {
      const result = yield* disposed(value)
      assert.strictEqual(result.fileName, name)
      assert.strictEqual(result.path, `${exampleRef.machineActionId}/0.bin`)
    }),
  )

  it.effect.each([
    { name: "memory.dmp", expected: "memory.dmp", extra: 0 },
    { name: "caf\u00e9.txt", expected: "café.txt", extra: 0 },
    { name: "x".repeat(255), expected: "x".repeat(255), extra: 0 },
    { name: "a.log", expected: "a.log", extra: 20 },
    { name: "..\\..\\evil.exe", expected: "evil.exe", extra: 0 },
    { name: "a\u001b[2Jb", expected: "a[2Jb", extra: 0 },
    { name: "", expected: undefined, extra: 0 },
    { name: "y".repeat(5000), expected: undefined, extra: 0 },
  ])("is that of the gzip header: $expected", ({ expected, extra, name }) =>
    Effect.gen(function* () {
      const result = yield* stored(gzipped(name, extra))
      assert.strictEqual(result.fileName, expected)
      assert.strictEqual(result.path, `${exampleRef.machineActionId}/0.gz`)
    }),
  )

  it.effect("is that of the response's header if both have one", () =>
    Effect.gen(function* () {
      const result = yield* stored(gzipped("inner.log"), { "content-disposition": "attachment; filename=outer.gz" })
      assert.strictEqual(result.fileName, "outer.gz")
    }),
  )

  it.effect.prop(
    "is bounded and has no control characters or path separators, whatever the bytes",
    [Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))))],
    ([bytes]) =>
      Effect.gen(function* () {
        const { fileName = "" } = yield* stored(Uint8Array.from([0x1f, 0x8b, 8, ...bytes]))
        assert.isAtMost(fileName.length, 255)
        assert.notMatch(fileName, /[\p{Cc}\p{Cf}/\\]/u)
      }),
    { arbitrary: { runs: 40 } },
  )
})
