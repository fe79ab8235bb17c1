import { createHash } from "node:crypto"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import type { GeneratedContent } from "@live-response/core/testing/Simulator"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SampleData from "../src/commands/demo/sampleData.ts"
import * as SampleFile from "../src/commands/demo/sampleFile.ts"

const read = (content: GeneratedContent, start = 0, end = content.length) =>
  Effect.map(Stream.runCollect(content.read(start, end)), (pieces) => Buffer.concat(pieces))

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("a collected file of the sample data", () => {
  it.effect.prop(
    "is a gzip of its announced length, and has the same bytes in every range and every time",
    [between(0, 1000), between(1, 200_000), between(0, 200_000), between(0, 200_000)],
    ([seed, length, one, other]) =>
      Effect.gen(function* () {
        const content = SampleFile.make(seed, length)
        const whole = yield* read(content)
        assert.strictEqual(whole.length, content.length)
        const unpacked = gunzipSync(whole)
        assert.strictEqual(unpacked.length, length)
        const [start = 0, end = 0] = [one, other].map((n) => n % (content.length + 1)).toSorted((a, b) => a - b)
        const part = yield* read(content, start, end)
        assert.isTrue(part.equals(whole.subarray(start, end)), `${start} to ${end} of ${content.length}`)
      }),
    { arbitrary: { runs: 50 } },
  )

  it.effect("is the same in every run", () =>
    Effect.gen(function* () {
      const bytes = yield* read(SampleFile.make(5, 350_000))
      assert.strictEqual(
        createHash("sha256").update(bytes).digest("hex"),
        "bfc84ba3198a33abf043d9cb6ea5976bddc9ffb6a6c59431447ca7ddaa132233",
      )
    }),
  )
})

describe("the sample data", () => {
  it("has scripts that print the machine that their session was on", () => {
    const names = SampleData.machines(2).map(({ name = "" }) => name.replace(".example.com", "").toUpperCase())
    for (const { ref, result } of SampleData.results(30, 2)) {
      if (!(result.content instanceof Uint8Array)) continue
      const session = Number.parseInt(ref.machineActionId.slice(-12), 16)
      assert.include(new TextDecoder().decode(result.content), `Host: ${names[session % 2]}`)
    }
  })

  it("needs no memory for the contents of five thousand results", () => {
    const before = process.memoryUsage().arrayBuffers
    const results = SampleData.results(5000)
    const sizes = results.map(({ result }) => result.content.length)
    assert.isAbove(
      sizes.reduce((sum, size) => sum + size, 0),
      60e9,
    )
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 5e6)
  })
})
