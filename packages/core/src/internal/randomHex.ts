import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** So many random digits. */
export const randomHex = (length: number) =>
  Effect.map(Effect.all(Array.from({ length }, () => Random.nextIntBetween(0, 15))), (digits) =>
    digits.map((digit) => digit.toString(16)).join(""),
  )
