import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Hasher } from "@live-response/core/Hasher"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

describe("Hasher", () => {
  it.effect.prop(
    "returns the hash of node:crypto, however the bytes are cut",
    [Schema.Array(Schema.Uint8Array), Schema.Literals(["SHA-256", "MD5"])],
    ([chunks, algorithm]) =>
      Effect.gen(function* () {
        const ours = (yield* Hasher)(algorithm)
        const theirs = createHash(algorithm)
        for (const chunk of chunks) {
          ours.update(chunk)
          theirs.update(chunk)
        }
        assert.deepStrictEqual(Array.from(ours.digest()), Array.from(theirs.digest()))
      }),
  )

  it.effect("hashes every length around the block boundaries", () =>
    Effect.gen(function* () {
      for (const algorithm of ["SHA-256", "MD5"] as const) {
        for (let length = 0; length < 200; length++) {
          const bytes = Uint8Array.from({ length }, (_, i) => i)
          const ours = (yield* Hasher)(algorithm)
          ours.update(bytes)
          assert.deepStrictEqual(
            Array.from(ours.digest()),
            Array.from(createHash(algorithm).update(bytes).digest()),
            `${algorithm} of ${length} bytes`,
          )
        }
      }
    }),
  )
})
