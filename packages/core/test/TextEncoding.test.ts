import { assert, describe, it } from "@effect/vitest"
import * as TextEncoding from "@live-response/core/TextEncoding"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const utf16 = (text: string, isBigEndian: boolean, withMark: boolean): Uint8Array => {
  const marked = withMark ? `\uFEFF${text}` : text
  const bytes = new Uint8Array(marked.length * 2)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < marked.length; i++) view.setUint16(i * 2, marked.charCodeAt(i), !isBigEndian)
  return bytes
}

/** The same text as different programs write it. */
const encodings: Readonly<Record<string, (text: string) => Uint8Array>> = {
  "UTF-8": (text) => new TextEncoder().encode(text),
  "UTF-8 with a byte order mark": (text) => new TextEncoder().encode(`\uFEFF${text}`),
  "UTF-16LE with a byte order mark": (text) => utf16(text, false, true),
  "UTF-16BE with a byte order mark": (text) => utf16(text, true, true),
  "UTF-16LE": (text) => utf16(text, false, false),
  "UTF-16BE": (text) => utf16(text, true, false),
}

describe("TextEncoding", () => {
  it.effect.prop(
    "decodes text in memory and in chunks of any length, in each encoding",
    [
      Schema.String.check(Schema.isPattern(/^[!-~]$/)),
      Schema.String,
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
      Schema.Literals(Object.keys(encodings)),
    ],
    ([first, rest, size, encoding]) =>
      Effect.gen(function* () {
        const text = `${first}z${rest}`.replaceAll(/[\ud800-\udfff]/g, "é")
        const bytes = encodings[encoding]?.(text) ?? new Uint8Array()
        assert.strictEqual(TextEncoding.decode(bytes), text)
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
          bytes.subarray(i * size, (i + 1) * size),
        )
        const pieces = Stream.mkString(TextEncoding.decodeStream(Stream.fromIterable(chunks)))
        assert.strictEqual(yield* pieces, text)
      }),
  )

  it.effect("decodes no bytes and a single byte", () =>
    Effect.gen(function* () {
      for (const [bytes, text] of [
        [[], ""],
        [[0x41], "A"],
      ] as const) {
        assert.strictEqual(TextEncoding.decode(Uint8Array.from(bytes)), text)
        const stream = TextEncoding.decodeStream(Stream.succeed(Uint8Array.from(bytes)))
        assert.strictEqual(yield* Stream.mkString(stream), text)
      }
    }),
  )
})
