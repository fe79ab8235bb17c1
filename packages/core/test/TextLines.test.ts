import { assert, describe, it } from "@effect/vitest"
import * as TextLines from "@live-response/core/TextLines"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const piece = Arbitrary.schema(Schema.Literals(["a", "bc", "defgh", "\n", "\r", "\r\n", "ij\nk", "", "\n\n", "l\rm"]))

describe("TextLines.split", () => {
  it.effect.prop(
    "splits lines as Stream.splitLines does, and truncates each",
    [Arbitrary.array(piece, { maxLength: 12 }), Arbitrary.schema(Schema.Literals([1, 2, 3, 5, 100]))],
    ([pieces, longest]) =>
      Effect.gen(function* () {
        const text = Stream.fromIterable(pieces)
        const expected = (yield* Stream.runCollect(Stream.splitLines(text))).map((line) => line.slice(0, longest))
        assert.deepStrictEqual(yield* Stream.runCollect(TextLines.split(longest)(text)), expected)
      }),
    { arbitrary: { runs: 500 } },
  )

  it.effect("truncates an endless line", () =>
    Effect.gen(function* () {
      // These lines have a gigabyte in all.
      const text = Stream.concat(
        Stream.succeed("x".repeat(1_000_000)).pipe(Stream.repeat(Schedule.recurs(1000))),
        Stream.make("\nnext"),
      )
      const lines = yield* text.pipe(TextLines.split(1000), Stream.runCollect)
      assert.deepStrictEqual(
        lines.map(({ length }) => length),
        [1000, 4],
      )
    }),
  )
})
