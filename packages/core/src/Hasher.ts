/**
 * Hashes that are computed while bytes flow, which the web platform's own can't: they want the whole in memory.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Md5 from "./internal/md5.ts"
import * as Sha256 from "./internal/sha256.ts"

/**
 * @since 0.1.0
 * @category models
 */
export type Algorithm = "SHA-256" | "MD5"

/**
 * A hash under way. It is updated in place, and its digest can be taken once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hash {
  readonly update: (bytes: Uint8Array) => void
  readonly digest: () => Uint8Array
}

/**
 * Begins a hash. The default is written in TypeScript and runs everywhere; `@live-response/node` provides the much
 * faster one of `node:crypto`, which Deno and Bun have as well.
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
