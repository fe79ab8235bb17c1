/**
 * Hashes a stream of bytes. The web platform's `crypto.subtle.digest` needs all bytes in memory.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Md5 from "./internal/md5.ts"
import * as Sha256 from "./internal/sha256.ts"

/**
 * The hash algorithms that downloads need: the manifest records a SHA-256, and the storage announces an MD5.
 *
 * @since 0.1.0
 * @category models
 */
export type Algorithm = "SHA-256" | "MD5"

/**
 * A hash in progress. `update` changes it in place; call `digest` once, after the last update.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hash {
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => Uint8Array
}

/**
 * Starts a hash.
 *
 * **Details**
 *
 * The default is written in TypeScript and runs everywhere. `NodeHasher.layer` of `@live-response/node` provides the hashes
 * of `node:crypto`, which are several times as fast and also run on Deno and Bun.
 *
 * **Example** (Hashing bytes)
 *
 * @example
 * ```ts
 * import { Hasher } from "@live-response/core/Hasher"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.gen(function* () {
 *   const hash = (yield* Hasher)("SHA-256")
 *   hash.update(new TextEncoder().encode("abc"))
 *   return hash.digest().length
 * })
 *
 * console.log(Effect.runSync(program)) // 32
 * ```
 *
 * @since 0.1.0
 * @category references
 */
export const Hasher = Context.Reference<(algorithm: Algorithm) => Hash>("@live-response/core/Hasher", {
  defaultValue: () => (algorithm) => (algorithm === "MD5" ? Md5.make() : Sha256.make()),
})
