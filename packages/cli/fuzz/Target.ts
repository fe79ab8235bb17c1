/** What is fuzzed. */
import * as Effect from "effect/Effect"

export interface Target {
  readonly name: string
  /** Inputs that are right, or nearly so: the others are made of them. */
  readonly corpus: ReadonlyArray<string | Uint8Array>
  /** Reads an input. It fails with the promise that was broken, and never otherwise. */
  readonly run: (input: Uint8Array) => Effect.Effect<void, string>
}

/** Whatever it answers is fine, an error too: a defect is not an answer, and ends the run. */
export const anyAnswer: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<void, never, R> = Effect.ignore

export const promise = (isKept: boolean, what: string): Effect.Effect<void, string> =>
  isKept ? Effect.void : Effect.fail(what)

/** Whether a text has nothing in it that a terminal obeys, but for the characters that are allowed. */
export const isPlain = (text: string, allowed = ""): boolean => {
  for (const character of text) {
    if (!allowed.includes(character) && /[\p{Cc}\p{Cf}\u2028\u2029]/u.test(character)) return false
  }
  return true
}
