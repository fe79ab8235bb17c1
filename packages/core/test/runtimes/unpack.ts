/** A program that embeds this library: `unpack.ts HEX` prints the content of a gzip file. */
import * as Extraction from "@live-response/core/Extraction"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Stream from "effect/Stream"
import { args } from "./runtime.ts"

const program = Effect.gen(function* () {
  const file = yield* Effect.fromResult(Hex.decode(args[0] ?? ""))
  const text = yield* Extraction.gunzip(Stream.make(file)).pipe(Stream.decodeText(), Stream.mkString)
  yield* Console.log(text)
})

await Effect.runPromise(program)
