import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** A body without an end, and the number of bytes that were read from it. */
export const endless = () => {
  let pulled = 0
  const body = Stream.fromEffectRepeat(
    Effect.sync(() => {
      pulled += 1024
      return new Uint8Array(1024).fill(0x20)
    }),
  )
  return { body, pulled: () => pulled }
}
