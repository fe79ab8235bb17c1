// @effect-diagnostics globalConsole:off




























import * as TextLines from "@live-response/core/TextLines"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const lines = Stream.make("ab", "cdef\ng").pipe(TextLines.split(3), Stream.runCollect)
console.log(Effect.runSync(lines)) // [ 'abc', 'g' ]
