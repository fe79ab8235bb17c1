import { assert, describe, it } from "@effect/vitest"
import { DefenderApi } from "@live-response/core/DefenderApi"
import * as LiveResponseTest from "@live-response/core/testing/LiveResponseTest"
import { Simulator } from "@live-response/core/testing/Simulator"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import { utf8 } from "./support/bytes.ts"
import { exampleRef } from "./support/refs.ts"

/** The random part of the path of a simulated link. */
const idOfLink = Effect.gen(function* () {
  yield* (yield* Simulator).add(exampleRef, { content: utf8("hello") })
  const { url } = yield* (yield* DefenderApi).downloadLink(exampleRef)
  return new URL(Redacted.value(url)).pathname.split("/").at(-1) ?? ""
}).pipe((effect) => Effect.provide(effect, LiveResponseTest.layer()))

describe("random ids", () => {
  it.effect("come from no seed, so that nobody can guess them", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* Random.withSeed(idOfLink, "seed"), yield* Random.withSeed(idOfLink, "seed")]
      for (const id of [first, second]) assert.match(id, /^[0-9a-f]{32}$/)
      assert.notStrictEqual(first, second)
    }),
  )

  it.effect("come from the SecureRandom that is provided, else from the WebCrypto", () =>
    Effect.gen(function* () {
      const counting = SecureRandom.make((size) => Uint8Array.from({ length: size }, (_, i) => i))
      const counted = yield* Effect.provideService(idOfLink, SecureRandom.SecureRandom, counting)
      assert.strictEqual(counted, "000102030405060708090a0b0c0d0e0f")
      const constant = new Proxy(globalThis.crypto, {
        get: () => (bytes: Uint8Array) => bytes.fill(0xab),
      })
      assert.strictEqual(yield* Effect.provideService(idOfLink, WebCrypto, constant), "ab".repeat(16))
    }),
  )
})
