import { assert, describe, it } from "@effect/vitest"
import * as ScriptResult from "@live-response/core/ScriptResult"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const oneOf = (...values: ReadonlyArray<string>) => Arbitrary.schema(Schema.Literals(values))

/** Members of a result as they are documented, and in every way that is not. */
const member = oneOf(
  '"script_name":"a.ps1"',
  '"script_name":null',
  '"name":"old.ps1"',
  '"exit_code":0',
  '"exit_code":-7',
  '"exit_code":1.5',
  '"exit_code":1e3',
  '"exit_code":"3"',
  '"exit_code":99999999999999999999',
  '"script_output":"one\\r\\ntwo \\uD83D\\uDE00 three"',
  '"script_output":"a\\u0000b\\u0000"',
  '"script_output":"\\uD83D"',
  '"script_output":["x"]',
  '"script_output":""',
  '"script_errors":"denied"',
  '"script_error":"old"',
  '"script_errors":"a\nb"',
  '"other":{"deep":[1]}',
)

const document = Arbitrary.all([
  Arbitrary.array(member, { maxLength: 6 }),
  oneOf("", "\uFEFF", " "),
  oneOf("", "\u0000\u0000", "\n", "x"),
  Arbitrary.schema(Schema.Literals([0, 1, 5, 9, 1000])),
]).pipe(Arbitrary.map(([members, start, end, limit]) => ({ text: `${start}{${members.join(",")}}${end}`, limit })))

describe("ScriptResult.decodeExcerpt", () => {
  it.effect.prop(
    "decodes what is as documented, and what is not, as decodeStream does",
    [document],
    ([{ limit, text }]) =>
      Effect.gen(function* () {
        const bytes = new TextEncoder().encode(text)
        const lenient = yield* Effect.exit(ScriptResult.decodeStream(Stream.succeed(bytes), { limit }))
        assert.deepStrictEqual(yield* Effect.exit(ScriptResult.decodeExcerpt(bytes, { limit })), lenient)
      }),
    { arbitrary: { runs: 1000 } },
  )

  it.effect("returns a million characters by default", () =>
    Effect.gen(function* () {
      const bytes = new TextEncoder().encode(`{"script_output":"${"x".repeat(1_000_001)}"}`)
      const { isTruncated, output, outputLength } = yield* ScriptResult.decodeExcerpt(bytes)
      assert.deepStrictEqual([output.length, outputLength, isTruncated], [1_000_000, 1_000_001, true])
    }),
  )
})
