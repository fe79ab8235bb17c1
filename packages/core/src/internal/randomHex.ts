import * as SecureRandom from "effect/crypto/SecureRandom"
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"

/** The `SecureRandom` in context where there is one, else that of the runtime. */
const secureRandom = Effect.flatMap(
  Effect.serviceOption(SecureRandom.SecureRandom),
  Option.match({
    onNone: () =>
      Effect.map(WebCrypto, (crypto) => SecureRandom.make((size) => crypto.getRandomValues(new Uint8Array(size)))),
    onSome: Effect.succeed,
  }),
)

/** Random hexadecimal digits that nobody can guess. */
export const randomHex = (length: number): Effect.Effect<string> =>
  Effect.flatMap(secureRandom, ({ randomBytes }) =>
    Effect.map(randomBytes(Math.ceil(length / 2)), (bytes) => Hex.encode(bytes).slice(0, length)),
  )
