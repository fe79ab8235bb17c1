import { assert, describe, it } from "@effect/vitest"
import { Hasher } from "@live-response/core/Hasher"
import * as NodeHasher from "@live-response/node/NodeHasher"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Schema from "effect/Schema"
import { firstLine, runtimes } from "../../core/test/runtimes/process.ts"

const algorithms = ["SHA-256", "MD5"] as const

describe("NodeHasher", () => {
  it.effect.prop(
    "returns the hash of the default, however the bytes are cut",
    [Schema.Array(Schema.Uint8Array), Schema.Literals(algorithms)],
    ([chunks, algorithm]) =>
      Effect.gen(function* () {
        const digest = Effect.map(Hasher, (make) => {
          const hash = make(algorithm)
          for (const chunk of chunks) hash.update(chunk)
          return Hex.encode(hash.digest())
        })
        assert.strictEqual(yield* digest.pipe(Effect.provide(NodeHasher.layer)), yield* digest)
      }),
  )

  it.effect("replaces the default", () =>
    Effect.gen(function* () {
      const node = yield* Hasher.pipe(Effect.provide(NodeHasher.layer))
      assert.notStrictEqual(node, yield* Hasher)
      const known = node("SHA-256")
      known.update(new TextEncoder().encode("abc"))
      assert.strictEqual(Hex.encode(known.digest()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }),
  )

  it.live.each(runtimes)("hashes in %s", (runtime) =>
    Effect.gen(function* () {
      const line = yield* firstLine(runtime, "../../../node/test/support/hashes.ts", [])
      assert.strictEqual(
        line,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 900150983cd24fb0d6963f7d28e17f72",
      )
    }).pipe(Effect.scoped),
  )
})
