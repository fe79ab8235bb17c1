/**
 * The hashes of `node:crypto`, several times as fast as the portable ones in core.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { type Algorithm, type Hash, Hasher } from "@live-response/core/Hasher"
import * as Layer from "effect/Layer"

/** Deno knows no other spelling. */
const names = { "SHA-256": "sha256", MD5: "md5" } as const

const make = (algorithm: Algorithm): Hash => {
  const hash = createHash(names[algorithm])
  return {
    update: (bytes) => {
      hash.update(bytes)
    },
    digest: () => hash.digest(),
  }
}

/**
 * Provides the hashes of `node:crypto` as the {@link Hasher}. They also run on Deno and Bun.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never> = Layer.succeed(Hasher, make)
