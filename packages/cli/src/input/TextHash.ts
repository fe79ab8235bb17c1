/**
 * The SHA-256 of a text, in hexadecimal digits: what long texts are compared by.
 */
import * as Hasher from "@live-response/core/Hasher"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"

export const make = Effect.map(Hasher.Hasher, (hasher) => {
  const encoder = new TextEncoder()
  return (text: string): string => {
    const hash = hasher("SHA-256")
    hash.update(encoder.encode(text))
    return Hex.encode(hash.digest())
  }
})
