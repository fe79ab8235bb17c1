/**
 * Hashes a stream of bytes. The web platform's `crypto.subtle.digest` needs all bytes in memory.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Stream from "effect/Stream"
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

/**
 * The hash of a stream of bytes, in hexadecimal digits, and how many bytes it has.
 *
 * **Details**
 *
 * It stops after the chunk with which there are more than `longest` bytes. `size` says so, and the hash is that of what was
 * read.
 *
 * @example
 * ```ts
 * import * as Hasher from "@live-response/core/Hasher"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 *
 * const program = Effect.gen(function* () {
 *   const startHash = yield* Hasher.Hasher
 *   return yield* Hasher.digestOf(startHash("SHA-256"), Stream.succeed(new TextEncoder().encode("abc")))
 * })
 *
 * console.log(Effect.runSync(program).size) // 3
 * ```
 *
 * @since 0.1.0
 * @category hashing
 */
export const digestOf = <E, R>(
  hash: Hash,
  content: Stream.Stream<Uint8Array, E, R>,
  longest = Infinity,
): Effect.Effect<{ readonly size: number; readonly hex: string }, E, R> =>
  Effect.suspend(() => {
    let size = 0
    return Stream.runForEachWhile(content, (bytes) =>
      Effect.sync(() => {
        size += bytes.length
        hash.update(bytes)
        return size <= longest
      }),
    ).pipe(Effect.map(() => ({ size, hex: Hex.encode(hash.digest()) })))
  })
