/** Prints the hashes of `abc`, in any runtime. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import { Hasher } from "@live-response/core/Hasher"
import * as NodeHasher from "@live-response/node/NodeHasher"

const program = Effect.gen(function* () {
  const make = yield* Hasher
  const hashOf = (algorithm: "SHA-256" | "MD5") => {
    const hash = make(algorithm)
    hash.update(new TextEncoder().encode("abc"))
    return Hex.encode(hash.digest())
  }
  yield* Console.log(`${hashOf("SHA-256")} ${hashOf("MD5")}`)
})

await Effect.runPromise(Effect.provide(program, NodeHasher.layer))
