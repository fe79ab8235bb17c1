import { assert, describe, it } from "@effect/vitest"
import * as TerminalText from "@live-response/core/TerminalText"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const unsafe = /[\p{Cc}\p{Cf}\u2028\u2029]/u

/** Escape sequences (C0 and C1), marks that reverse text, line separators, a tag of two code units, and text. */
const pieces: ReadonlyArray<string> = [
  ..."\u0000\t\n\u001b\u007f\u0085\u009b\u00ad\u200f\u202e\u2028\u2029\u2066\ufeff",
  "\u{e0041}",
  "\ud800",
  "\u001b[2J",
  ..."aé中😀",
  '"',
  "\\",
  "\\u",
]
const text = Arbitrary.map(Arbitrary.schema(Schema.Array(Schema.Literals(pieces))), (pieces) => pieces.join(""))

describe("TerminalText", () => {
  it.effect.prop("escapes JSON without changing its meaning", [text, text], ([key, value]) =>
    Effect.sync(() => {
      const escaped = TerminalText.escapeJson(JSON.stringify({ [key]: [value] }))
      assert.notMatch(escaped, unsafe)
      assert.deepStrictEqual(JSON.parse(escaped), { [key]: [value] })
    }),
  )

  it.effect.prop("replaces exactly the characters that affect a terminal", [text], ([given]) =>
    Effect.sync(() => {
      const replaced = TerminalText.replaceUnsafe(given, () => "")
      assert.strictEqual(
        replaced,
        Array.from(given)
          .filter((character) => !unsafe.test(character))
          .join(""),
      )
    }),
  )
})
