import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { printable, printableJson, printableText } from "../src/output/Printable.ts"

/** What a terminal obeys, but for tabs and line feeds. */
const obeyed = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\p{Cf}\u2028\u2029]/u

const hostile = "\u001b[2J\u009b31m\u0007\u202eevil\u200b\u2028\u0000\u{E0001}"

describe("printable", () => {
  it("is one line, with a replacement for each control character", () => {
    assert.strictEqual(printable("a\tb\r\nc"), "a b  c")
    assert.strictEqual(printable("\u001b[2J\u202e"), "\uFFFD[2J\uFFFD")
    assert.notMatch(printable(hostile), obeyed)
    assert.strictEqual(printable("Höst 名前 🙂"), "Höst 名前 🙂")
  })

  it.effect.prop("has no control characters, whatever the text", [Schema.String, Schema.String], ([a, b]) =>
    Effect.sync(() => {
      const line = printable(`${a}${hostile}${b}`)
      assert.notMatch(line, obeyed)
      assert.notMatch(line, /[\t\n]/)
    }),
  )
})

describe("printableText", () => {
  it.effect.prop(
    "is the same however the text is split, keeps tabs and lines, and turns CRLF into one line feed",
    [Schema.Array(Schema.Literals(["a", "\r", "\n", "\t", "\u001b", "\u202e", "é"]))],
    ([characters]) =>
      Effect.gen(function* () {
        const whole = yield* Stream.mkString(printableText(Stream.succeed(characters.join(""))))
        const cut = yield* Stream.mkString(printableText(Stream.fromIterable(characters)))
        assert.strictEqual(cut, whole)
        assert.notMatch(whole, obeyed)
        const lines = characters.join("").replaceAll("\r\n", "\n").split("\n")
        assert.strictEqual(whole.split("\n").length, lines.length)
      }),
  )
})

describe("printableJson", () => {
  it.effect.prop("has the same meaning, with control characters escaped", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const json = printableJson(JSON.stringify({ text: `${text}${hostile}` }))
      assert.notMatch(json, obeyed)
      assert.deepStrictEqual(JSON.parse(json), { text: `${text}${hostile}` })
    }),
  )
})
