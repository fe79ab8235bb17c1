// @effect-diagnostics globalConsole:off































import { Hasher } from "@live-response/core/Hasher"
import * as Effect from "effect/Effect"

const program = Effect.gen(function* () {
  const hash = (yield* Hasher)("SHA-256")
  hash.update(new TextEncoder().encode("abc"))
  return hash.digest().length
})

console.log(Effect.runSync(program)) // 32
