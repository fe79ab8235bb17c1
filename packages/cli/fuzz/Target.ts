/** A piece of code to fuzz. */
import * as Effect from "effect/Effect"

export interface Target {
  readonly name: string
  /** Valid inputs, or nearly valid ones. The fuzzer mutates them. */
  readonly corpus: ReadonlyArray<string | Uint8Array>
  /** Reads an input. Fails only if the code breaks a promise, and says which. */
  readonly run: (input: Uint8Array) => Effect.Effect<void, string>
}

/** Accepts success and typed errors. A defect ends the run. */
export const anyAnswer: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<void, never, R> = Effect.ignore

export const promise = (isKept: boolean, what: string): Effect.Effect<void, string> =>
  isKept ? Effect.void : Effect.fail(what)

/** Whether a text has no control characters, except for those that are allowed. */
export const isPlain = (text: string, allowed = ""): boolean => {
  for (const character of text) {
    if (!allowed.includes(character) && /[\p{Cc}\p{Cf}\u2028\u2029]/u.test(character)) return false
  }
  return true
}
