// @effect-diagnostics globalConsole:off























































import { FromString } from "@live-response/core/ResultRef"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const program = Effect.gen(function* () {
  const ref = yield* Schema.decodeEffect(FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")
  return ref.index
})

console.log(Effect.runSync(program)) // 0
