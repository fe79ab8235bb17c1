import { readFileSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as ScriptResult from "@live-response/core/ScriptResult"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { utf8 } from "./support/bytes.ts"

const decodeText = (text: string) => ScriptResult.decode(utf8(text))

/** The JSON of the service, with this text between the quotes of the output. */
const withOutput = (output: string) =>
  `{"script_name":"a.ps1","exit_code":0,"script_output":"${output}","script_errors":""}`

const utf16 = (text: string) =>
  new Uint8Array(Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)).buffer)

/** UTF-16LE text whose bytes are characters. */
const utf16AsBytes = (text: string): string => Array.from(utf16(text), (byte) => String.fromCharCode(byte)).join("")

/** JSON has no negative zero. */
const anyCode = Arbitrary.map(Arbitrary.schema(Schema.Int), (code) => code + 0)
const anyText = Arbitrary.filter(Arbitrary.schema(Schema.String), (text) => !text.includes("\u0000"))

describe("ScriptResult", () => {
  it.effect("decodes Microsoft's own example, which is not valid JSON", () =>
    Effect.gen(function* () {
      const bytes = readFileSync(new URL("fixtures/script-result.txt", import.meta.url))
      assert.throws(() => JSON.parse(bytes.toString("utf8")))
      const script = yield* ScriptResult.decode(bytes)
      assert.strictEqual(script.scriptName, "minidump.ps1")
      assert.strictEqual(script.exitCode, 0)
      assert.strictEqual(script.errors, "")
      assert.deepStrictEqual(script.output.split("\n"), [
        "Transcript started, output file is C:\\ProgramData\\Microsoft\\Windows Defender Advanced Threat Protection\\Temp\\PSScriptOutputs\\PSScript_Transcript_{TRANSCRIPT_ID}.txt",
        "C:\\windows\\TEMP\\OfficeClickToRun.dmp.zip",
        "51 MB",
        "",
      ])
    }),
  )

  it.effect.prop(
    "decodes strict JSON to the values that were encoded",
    [anyText, anyCode, anyText, anyText],
    ([scriptName, exitCode, output, errors]) =>
      Effect.gen(function* () {
        const wire = { script_name: scriptName, exit_code: exitCode, script_output: output, script_errors: errors }
        for (const text of [JSON.stringify(wire), JSON.stringify(wire, null, 4)]) {
          const script = yield* decodeText(text)
          assert.deepStrictEqual({ ...script }, { scriptName, exitCode, output, errors })
        }
      }),
    { arbitrary: { runs: 300 } },
  )

  it.effect.each([
    { output: "C:\\\\Windows\\\\System32\\\\a.dll", text: "C:\\Windows\\System32\\a.dll" },
    { output: 'say \\"no\\"\\\\', text: 'say "no"\\' },
    { output: "\\u2028\\t\\b 中文 😀 \\ud83d\\ude00", text: "\u2028\t\b 中文 😀 😀" },
    { output: "\\u001b[31mred", text: "\u001b[31mred" },
    { output: "a b", text: "a b" },
  ])("leaves text of strict results unchanged: $output", ({ output, text }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* decodeText(withOutput(output))).output, text)
    }),
  )

  it.effect("reads the field names of older documentation", () =>
    Effect.gen(function* () {
      const script = yield* decodeText(
        `{"name":"old.ps1","exit_code":4,"script_output":"out","script_error":"something went wrong"}`,
      )
      assert.deepStrictEqual(
        { ...script },
        { scriptName: "old.ps1", exitCode: 4, output: "out", errors: "something went wrong" },
      )
    }),
  )

  it.effect("prefers the new field names to the old ones", () =>
    Effect.gen(function* () {
      const script = yield* decodeText(
        `{"script_name":"new","name":"old","exit_code":0,"script_output":"","script_errors":"new","script_error":"old"}`,
      )
      assert.strictEqual(script.scriptName, "new")
      assert.strictEqual(script.errors, "new")
    }),
  )

  it.effect("decodes absent and null strings as empty, and ignores unknown fields", () =>
    Effect.gen(function* () {
      const script = yield* decodeText(`{"script_output":null,"exit_code":-1,"started":"2026-01-01","more":{"a":[1]}}`)
      assert.deepStrictEqual({ ...script }, { scriptName: "", exitCode: -1, output: "", errors: "" })
    }),
  )

  it.effect.each([
    { name: "line feed", raw: "first\nsecond" },
    { name: "carriage return and line feed", raw: "first\r\nsecond" },
    { name: "tab", raw: "a\tb" },
    { name: "escape", raw: "\u001b[0m" },
    { name: "unit separator", raw: "a\u001fb" },
  ])("accepts a raw control character inside a string: $name", ({ raw }) =>
    Effect.gen(function* () {
      const script = yield* decodeText(withOutput(`${raw}\\n\\"quoted\\"\\\\`))
      assert.strictEqual(script.output, `${raw}\n"quoted"\\`)
    }),
  )

  it.effect.each([
    { name: "NULs", tail: "\u0000\u0000\u0000" },
    { name: "a line feed and a NUL", tail: "\n\u0000" },
    { name: "NULs and a line feed", tail: "\u0000\u0000\r\n" },
    { name: "NULs on both sides of a line feed", tail: "\u0000\n\u0000" },
  ])("ignores padding after the closing brace: $name", ({ tail }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* decodeText(withOutput("text") + tail)).output, "text")
    }),
  )

  it.effect.each([
    { name: "escaped, at the end", output: "51 MB\\n\\u0000\\u0000\\u0000", text: "51 MB\n" },
    { name: "raw, at the end", output: "51 MB\u0000\u0000", text: "51 MB" },
    { name: "only NULs", output: "\\u0000\\u0000", text: "" },
    {
      name: "in the middle of a long text",
      output: "some longer text\\u0000 and more of it",
      text: "some longer text and more of it",
    },
    { name: "beside text beyond Latin-1", output: "中文\\u0000", text: "中文" },
  ])("removes NULs: $name", ({ output, text }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* decodeText(withOutput(output))).output, text)
    }),
  )

  it.effect.each([
    { name: "Latin", text: "Host: WS-0001\r\nC:\\windows\\TEMP\\collect.zip\r\n" },
    { name: "Latin with umlauts", text: "Größe: 51 MB, Datei: Überblick.txt" },
    {
      name: "Cyrillic names in Latin paths",
      text: "C:\\Users\\Иван\\Desktop\\report.docx\r\nC:\\Users\\Public\\a.txt\r\n",
    },
    {
      name: "Chinese names in Latin paths",
      text: "C:\\Users\\Public\\Documents\\报告.docx\r\nC:\\Users\\Public\\a.txt\r\n",
    },
    { name: "mostly Cyrillic", text: "Пользователь: Иван Петров\r\nСостояние: работает\r\n" },
    { name: "mostly Chinese", text: "已启动脚本记录，输出文件为：记录.txt\r\n已完成收集，共五十一个文件。\r\n" },
    { name: "an emoji", text: "done 😀 all of it" },
  ])("decodes UTF-16 inside a string: $name", ({ text }) =>
    Effect.gen(function* () {
      const bytes = utf16AsBytes(text)
      const wire = { script_name: "a", exit_code: 0, script_output: bytes, script_errors: `${bytes}\u0000\u0000` }
      const script = yield* decodeText(JSON.stringify(wire))
      assert.strictEqual(script.output, text)
      assert.strictEqual(script.errors, text)
    }),
  )

  it.effect.prop(
    "reads text as it is, whatever NUL and few control characters a machine puts into it",
    {
      words: Arbitrary.array(Arbitrary.schema(Schema.String.check(Schema.isPattern(/^[a-zA-Z0-9.:\\ -]{8,16}$/))), {
        minLength: 1,
        maxLength: 6,
      }),
      at: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))),
      control: Arbitrary.schema(Schema.Literals(["", "\u0001", "\u001b", "\u0080"])),
    },
    ({ at, control, words }) =>
      Effect.gen(function* () {
        const text = words.join(control)
        const cut = 3 + (at % (text.length - 4))
        const output = `${text.slice(0, cut)}\u0000${text.slice(cut)}`
        const wire = { script_name: "a", exit_code: 0, script_output: output, script_errors: "" }
        assert.strictEqual((yield* decodeText(JSON.stringify(wire))).output, text)
      }),
  )

  it.effect("decodes UTF-16 whose NULs are not escaped", () =>
    Effect.gen(function* () {
      const script = yield* decodeText(withOutput(utf16AsBytes("Host: WS-0001\r\n")))
      assert.strictEqual(script.output, "Host: WS-0001\r\n")
    }),
  )

  it.effect("reads a file with a byte order mark, in UTF-8 or UTF-16", () =>
    Effect.gen(function* () {
      const text = withOutput("中文 first\nsecond")
      assert.strictEqual((yield* ScriptResult.decode(utf16(`\uFEFF${text}`))).output, "中文 first\nsecond")
      assert.strictEqual((yield* decodeText(`\uFEFF${text}`)).output, "中文 first\nsecond")
    }),
  )

  it.effect.each([
    { name: "nothing", text: "" },
    { name: "NULs", text: "\u0000\u0000" },
    { name: "XML", text: "<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code></Error>" },
    { name: "cut short", text: `{"script_name":"a.ps1","exit_code":0,"script_out` },
    { name: "another object", text: `{"name":"live-response","version":1}` },
    { name: "an output of another type", text: `{"exit_code":0,"script_output":["a"]}` },
    { name: "a list", text: "[]" },
    { name: "two results", text: withOutput("a") + withOutput("b") },
  ])("fails for bytes that are not a script result: $name", ({ text }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decodeText(text))
      assert.strictEqual(error._tag, "ScriptResultError")
      assert.match(error.message, /^not a script result: .+; its bytes are unchanged$/)
    }),
  )

  it.effect.each<{ readonly member: string; readonly exitCode: number | undefined }>([
    { member: `"exit_code":4`, exitCode: 4 },
    { member: `"exit_code":"0"`, exitCode: 0 },
    { member: `"exit_code":" -1073741510 "`, exitCode: -1073741510 },
    { member: `"exit_code":"0xC0000005"`, exitCode: 0xc0000005 },
    { member: `"exit_code":4.0`, exitCode: 4 },
    { member: `"exit_code":4.5`, exitCode: undefined },
    { member: `"exit_code":1e300`, exitCode: undefined },
    { member: `"exit_code":null`, exitCode: undefined },
    { member: `"exit_code":true`, exitCode: undefined },
    { member: `"exit_code":"none"`, exitCode: undefined },
    { member: `"exit_code":"${"0".repeat(100)}"`, exitCode: undefined },
    { member: `"exit_code":[0]`, exitCode: undefined },
    { member: `"exit_code":4,"exit_code":null`, exitCode: undefined },
    { member: `"other":0`, exitCode: undefined },
  ])("reads the exit code and the other fields: $member", ({ exitCode, member }) =>
    Effect.gen(function* () {
      const script = yield* decodeText(`{"script_name":"a.ps1",${member},"script_output":"out"}`)
      assert.deepStrictEqual(
        { ...script },
        { scriptName: "a.ps1", ...(exitCode === undefined ? {} : { exitCode }), output: "out", errors: "" },
      )
    }),
  )

  it.effect("unpacks a result that is gzip, in memory and as a stream", () =>
    Effect.gen(function* () {
      const packed = gzipSync(withOutput("packed"))
      assert.strictEqual((yield* ScriptResult.decode(packed)).output, "packed")
      const pieces = () => cut(packed, [1, 2, 30])
      assert.strictEqual((yield* ScriptResult.decodeStream(pieces())).outputLength, 6)
      assert.strictEqual(yield* Stream.mkString(ScriptResult.output(pieces())), "packed")
      const damaged = yield* Effect.flip(ScriptResult.decode(packed.subarray(0, 30)))
      assert.strictEqual(
        damaged.message,
        "not a script result: can't unpack its gzip data: it is truncated; its bytes are unchanged",
      )
    }),
  )

  it.effect.prop("fails with an error, never a defect, for any bytes", [Schema.Uint8Array], ([bytes]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ScriptResult.decode(bytes))
      assert.strictEqual(error._tag, "ScriptResultError")
    }),
  )

  it.effect("decodes an output of half a megabyte", () =>
    Effect.gen(function* () {
      const line = "C:\\windows\\TEMP\\collect.zip\n"
      const script = yield* decodeText(withOutput(line.replaceAll("\\", "\\\\").repeat(20_000)))
      assert.strictEqual(script.output, line.repeat(20_000))
    }),
  )
})

const between = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const anyOf = (...texts: ReadonlyArray<string>) => Arbitrary.schema(Schema.Literals(texts))

const listOf = <A>(item: Arbitrary.Arbitrary<A>, maxLength: number) => Arbitrary.array(item, { maxLength })

/** The lengths of chunks, which repeat until the end. */
const anyCuts = Arbitrary.array(between(1, 9), { minLength: 1, maxLength: 8 })

const cut = (bytes: Uint8Array, cuts: ReadonlyArray<number>): Stream.Stream<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let i = 0, n = 0; i < bytes.length; i += cuts[n++ % cuts.length] ?? 1) {
    chunks.push(bytes.subarray(i, i + (cuts[n % cuts.length] ?? 1)))
  }
  return Stream.fromIterable(chunks)
}

const textOf = (...pieces: ReadonlyArray<string>): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(pieces.map((piece) => utf8(piece)))

const joined = <E, R>(pieces: Stream.Stream<string, E, R>) => Stream.mkString(pieces)

/** Text that is difficult to parse. A lone surrogate occurs only as an escape. */
const anyTrap = Arbitrary.map(
  listOf(
    anyOf(
      "a",
      "b c",
      '"',
      "\\",
      "\n",
      "\r",
      "\u0001",
      "\u001f",
      "é",
      "中",
      "😀",
      "\ud83d",
      "\ude00",
      "\ufeff",
      "\u2028",
      "u12",
    ),
    12,
  ),
  (pieces) => pieces.join(""),
)

const anyJson = Arbitrary.schema(Schema.Json)

/** The text with every character escaped. */
const escaped = (text: string) =>
  Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`).join("")

const anyString = Arbitrary.map(Arbitrary.schema(Schema.String), (text) => JSON.stringify(text))

/** A key and its value as JSON: known and unknown keys, right and wrong types, also repeated. */
const anyMember = Arbitrary.flatMap(between(0, 9), (kind) => {
  const field = anyOf("script_name", "name", "script_output", "script_errors", "script_error")
  const member = (key: Arbitrary.Arbitrary<string>, value: Arbitrary.Arbitrary<string>) =>
    Arbitrary.flatMap(key, (key) => Arbitrary.map(value, (value) => `${JSON.stringify(key)}: ${value}`))
  const json = Arbitrary.map(anyJson, (value) => JSON.stringify(value, null, kind % 2))
  if (kind === 0) return member(field, json)
  if (kind === 1) return member(anyOf("exit_code"), anyOf("4", "0", "-1", "4.0", "1e2", "-0", "4E+1", '"4"', "4.5"))
  if (kind === 2) return member(field, anyOf("null"))
  if (kind === 3) return member(anyTrap, json)
  if (kind < 6) return member(field, anyString)
  return member(
    field,
    Arbitrary.map(anyTrap, (text) => (kind < 8 ? JSON.stringify(text) : `"${escaped(text)}"`)),
  )
})

/** JSON that is a script result, or nearly one. */
const anyScript = Arbitrary.map(listOf(anyMember, 6), (members) => `{ ${['"exit_code":7', ...members].join(",\n")} }`)

/** The same with one character replaced or missing. */
const anyBroken = Arbitrary.flatMap(anyScript, (text) =>
  Arbitrary.flatMap(between(0, text.length - 1), (at) =>
    Arbitrary.map(
      anyOf(
        "",
        "{",
        "}",
        "[",
        "]",
        '"',
        ",",
        ":",
        "\\",
        "u",
        "e",
        "0",
        "1",
        "-",
        ".",
        "+",
        "t",
        "n",
        "x",
        "😀",
        "\u00a0",
      ),
      (other) => (text.slice(0, at) + other + text.slice(at + 1)).toWellFormed(),
    ),
  ),
)

const OptionalText = Schema.optional(Schema.NullOr(Schema.String))
const Wire = Schema.Struct({
  script_name: OptionalText,
  name: OptionalText,
  exit_code: Schema.optional(Schema.Unknown),
  script_output: OptionalText,
  script_errors: OptionalText,
  script_error: OptionalText,
})
const parseWire = Schema.decodeUnknownResult(Schema.fromJsonString(Wire))

const isScript = (wire: object) => Object.keys(wire).some((key) => key !== "name")

const exitCodeOf = (value: unknown): { readonly exitCode?: number } =>
  (typeof value === "number" || (typeof value === "string" && /^\s*-?\d+\s*$/.test(value))) &&
  Number.isSafeInteger(Number(value))
    ? { exitCode: Number(value) + 0 }
    : {}

/** What `JSON.parse` returns. */
const parsed = (text: string) =>
  Result.map(
    Result.filterOrFail(parseWire(text), isScript, () => "another object"),
    (wire) => ({
      scriptName: wire.script_name ?? wire.name ?? "",
      ...exitCodeOf(wire.exit_code),
      output: wire.script_output ?? "",
      errors: wire.script_errors ?? wire.script_error ?? "",
    }),
  )

type Fields = Pick<ScriptResult.ScriptResult, "scriptName" | "exitCode" | "output" | "errors">

const withoutLengths = ({ errors, output, scriptName, ...rest }: Fields): Fields => ({
  scriptName,
  ...("exitCode" in rest ? { exitCode: rest.exitCode } : {}),
  output,
  errors,
})

/** The fields of a result, or the message of the error. */
const outcome = <A extends ScriptResult.ScriptResult>(script: Effect.Effect<A, ScriptResult.ScriptResultError>) =>
  Effect.result(
    Effect.mapBoth(script, { onFailure: ({ message }) => message, onSuccess: (script) => withoutLengths(script) }),
  )

describe("ScriptResult compared with JSON.parse", () => {
  it.effect.prop(
    "decodes any JSON to the same values, and fails for the same texts",
    [anyScript, anyBroken],
    (texts) =>
      Effect.gen(function* () {
        for (const text of texts) {
          const expected = parsed(text)
          if (Result.isSuccess(expected) && /\u0000/.test(Object.values(expected.success).join(""))) continue
          const actual = yield* outcome(decodeText(text))
          assert.deepStrictEqual(Result.getSuccess(actual), Result.getSuccess(expected), text)
        }
      }),
    { arbitrary: { runs: 1000 } },
  )

  it.effect.prop(
    "decodes raw control characters as it decodes escaped ones",
    [listOf(anyOf("a", "中", "\n", "\t", "\u0001", "\u001f", "\u007f", "\\n", '\\"', "\\\\"), 20)],
    ([pieces]) =>
      Effect.gen(function* () {
        const raw = pieces.join("")
        const strict = raw.replaceAll(/[\u0000-\u001f]/g, escaped)
        const actual = yield* outcome(decodeText(withOutput(raw)))
        assert.deepStrictEqual(Result.getSuccess(actual), Result.getSuccess(parsed(withOutput(strict))))
      }),
  )
})

describe("ScriptResult as a stream", () => {
  const check = Effect.fnUntraced(function* (bytes: Uint8Array, cuts: ReadonlyArray<number>) {
    const whole = yield* outcome(ScriptResult.decode(bytes))
    const chunks = cut(bytes, cuts)
    assert.deepStrictEqual(yield* outcome(ScriptResult.decodeStream(chunks, { limit: Infinity })), whole)
    const fields = [
      { pieces: ScriptResult.output(chunks), of: (script: Fields) => script.output },
      { pieces: ScriptResult.errors(chunks), of: (script: Fields) => script.errors },
    ]
    for (const { of, pieces } of fields) {
      const text = yield* Effect.result(joined(pieces))
      if (Result.isFailure(text) && / (occurs twice|comes after script_error)$/.test(text.failure.description)) continue
      assert.deepStrictEqual(
        Result.mapError(text, ({ message }) => message),
        Result.map(whole, of),
      )
    }
  })

  it.effect.prop(
    "returns what decode returns, and fails as it fails, wherever the bytes are cut",
    [anyScript, anyBroken, anyCuts, Schema.Literals(["", "\uFEFF"])],
    ([script, broken, cuts, mark]) =>
      Effect.gen(function* () {
        for (const text of [script, broken]) {
          yield* check(utf8(mark + text), cuts)
          yield* check(utf16(mark + text), cuts)
        }
      }),
    { arbitrary: { runs: 150 } },
  )

  it.effect.prop(
    "decodes UTF-16 inside a string, wherever the bytes are cut",
    [listOf(anyOf("C:\\Users\\Public\r\n", "Größe 51 MB", "Иван", "报告", "😀"), 8), anyCuts, between(0, 5)],
    ([pieces, cuts, padding]) =>
      Effect.gen(function* () {
        const text = `${"Host: WS-0001\r\n".repeat(4)}${pieces.join("")}`
        const content = utf16AsBytes(text) + "\u0000".repeat(padding)
        for (const json of [
          JSON.stringify({ exit_code: 0, script_output: content, script_errors: content }),
          `{"exit_code":0,"script_output":"${escapedAsUtf16(text)}"}`,
        ]) {
          yield* check(utf8(json), cuts)
          assert.strictEqual((yield* decodeText(json)).output, text)
        }
      }),
    { arbitrary: { runs: 50 } },
  )

  /** UTF-16 of escaped text whose bytes are characters. */
  const escapedAsUtf16 = (text: string) => utf16AsBytes(JSON.stringify(text).slice(1, -1))

  it.effect("decides by the first 4,096 characters whether text is UTF-16", () =>
    Effect.gen(function* () {
      const line = "Host: WS-0001\r\n"
      const wide = utf16AsBytes("报告".repeat(1000))
      const output = (text: string) =>
        joined(ScriptResult.output(textOf(JSON.stringify({ exit_code: 0, script_output: text }))))
      assert.strictEqual(yield* output(utf16AsBytes(line.repeat(200)) + wide), line.repeat(200) + "报告".repeat(1000))
      assert.strictEqual(yield* output(line.repeat(300) + wide), line.repeat(300) + wide)
      // A character that is too large for a byte ends the UTF-16; the text after it passes unchanged.
      assert.strictEqual(yield* output(`${utf16AsBytes(line.repeat(200))}a报告b\u0000`), `${line.repeat(200)}a报告b`)
    }),
  )

  it.effect("truncates output and errors to the limit, and reports it", () =>
    Effect.gen(function* () {
      const text = JSON.stringify({
        script_output: "ab😀cd",
        script_errors: "none",
        script_name: "a.ps1",
        exit_code: 4,
      })
      const excerpt = (limit?: number) => ScriptResult.decodeStream(cut(utf8(text), [3]), { limit })
      const all = { scriptName: "a.ps1", exitCode: 4, outputLength: 6, errorsLength: 4 }
      assert.deepStrictEqual({ ...(yield* excerpt(3)) }, { ...all, output: "ab", errors: "non" })
      assert.deepStrictEqual({ ...(yield* excerpt(4)) }, { ...all, output: "ab😀", errors: "none" })
      assert.deepStrictEqual({ ...(yield* excerpt(0)) }, { ...all, output: "", errors: "" })
      assert.deepStrictEqual({ ...(yield* excerpt()) }, { ...all, output: "ab😀cd", errors: "none" })
      assert.deepStrictEqual(
        [(yield* excerpt(5)).isTruncated, (yield* excerpt(6)).isTruncated, (yield* excerpt()).isTruncated],
        [true, false, false],
      )
    }),
  )

  it.effect("returns a million characters by default", () =>
    Effect.gen(function* () {
      const line = "C:\\windows\\TEMP\\collect.zip\n"
      const bytes = utf8(JSON.stringify({ script_output: line.repeat(50_000), exit_code: 0 }))
      const excerpt = yield* ScriptResult.decodeStream(Stream.make(bytes))
      assert.strictEqual(excerpt.output, line.repeat(50_000).slice(0, 1_000_000))
      assert.strictEqual(excerpt.outputLength, line.length * 50_000)
    }),
  )

  it.effect("emits the output as it arrives, and never half of a surrogate pair", () =>
    Effect.gen(function* () {
      const long = "a".repeat(5000)
      const pieces = yield* Stream.runCollect(
        ScriptResult.output(textOf(`{"script_output":"${long}`, "b\\ud83d", "\\ude00c", '\\ud83d","exit_code":0}')),
      )
      assert.deepStrictEqual(pieces, [long, "b", "😀c", "\ud83d"])
    }),
  )

  it.effect("fails after emitting the text before an error, and for a field that occurs twice", () =>
    Effect.gen(function* () {
      const emitted: Array<string> = []
      const cutShort = ScriptResult.output(textOf(`{"script_output":"${"a".repeat(5000)}`)).pipe(
        Stream.runForEach((piece) => Effect.sync(() => emitted.push(piece))),
      )
      assert.match((yield* Effect.flip(cutShort)).description, /^it ends at character 5018/)
      assert.strictEqual(emitted.join("").length, 5000)
      const twice = textOf(`{"script_output":"a","script_output":null,"exit_code":0}`)
      assert.match((yield* Effect.flip(joined(ScriptResult.output(twice)))).description, /^script_output occurs twice/)
      assert.strictEqual((yield* ScriptResult.decodeStream(twice)).output, "")
      assert.strictEqual(yield* joined(ScriptResult.errors(twice)), "")
      const old = textOf(`{"script_error":"old","script_errors":"new","exit_code":0}`)
      assert.match(
        (yield* Effect.flip(joined(ScriptResult.errors(old)))).description,
        /^script_errors comes after script_error/,
      )
    }),
  )

  it.effect("reads no further than the first error, and fails with the error of the stream", () =>
    Effect.gen(function* () {
      const endless = Stream.forever(textOf("<Error>"))
      assert.match((yield* Effect.flip(ScriptResult.decodeStream(endless))).description, /^begins with </)
      const broken = Stream.concat(textOf(`{"script_output":"`), Stream.fail("broken" as const))
      assert.strictEqual(yield* Effect.flip(ScriptResult.decodeStream(broken)), "broken")
      assert.strictEqual(yield* Effect.flip(joined(ScriptResult.output(broken))), "broken")
    }),
  )

  it.effect.each([
    { name: "nothing", text: "", description: "it is empty" },
    { name: "XML", text: "<Error>", description: "begins with < and not with {, at character 0" },
    {
      name: "a terminal's escape",
      text: "\u001b[0m",
      description: "begins with U+001B and not with {, at character 0",
    },
    { name: "cut short", text: '{"a":1', description: "it ends at character 6, before the closing brace" },
    { name: "a wrong word", text: '{"a":nil}', description: "no number and no word of JSON ends at character 8" },
    { name: "a wrong escape", text: '{"a":"\\W"}', description: "\\W is not an escape, at character 7" },
    { name: "a comma too many", text: '{"a":1,}', description: "} is out of place at character 7" },
    {
      name: "a deep nest",
      text: `{"a":${"[".repeat(20_000)}`,
      description: "nested more than 10000 deep at character 10004",
    },
    {
      name: "a long number",
      text: `{"a":${"1".repeat(2000)}`,
      description: "a number of more than 1000 characters at character 2005",
    },
    { name: "an empty object", text: "{}", description: "exit_code is missing" },
    {
      name: "an output of numbers",
      text: '{"exit_code":4,"script_output":[1]}',
      description: "script_output is not text",
    },
  ])("describes what is wrong: $name", ({ description, text }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(ScriptResult.decodeStream(textOf(text)))).description, description)
    }),
  )

  // A regular expression that searched the end of the NULs from each of them took eleven seconds.
  it.effect("decodes NULs in linear time", () =>
    Effect.gen(function* () {
      const nuls = `"script_output":"${"\u0000".repeat(4094)}x",`
      const start = performance.now()
      const { output } = yield* decodeText(`{${nuls.repeat(1000)}"exit_code":0}`)
      assert.strictEqual(output, "x")
      assert.isBelow(performance.now() - start, 4000)
    }),
  )

  it.effect("decodes 100 MB within 16 MB of memory", () =>
    Effect.gen(function* () {
      setFlagsFromString("--expose-gc")
      const collectGarbage: () => void = runInNewContext("gc")
      const heap = () => {
        collectGarbage()
        const { external, heapUsed } = process.memoryUsage()
        return heapUsed + external
      }
      const block = utf8("2026-01-01 12:00:00 C:\\\\Windows\\\\System32 中文\\r\\n".repeat(20_000))
      const before = heap()
      let peak = before
      const blocks = Stream.range(1, Math.ceil(100e6 / block.length)).pipe(
        Stream.map((n) => {
          if (n % 20 === 0) peak = Math.max(peak, heap())
          return block
        }),
      )
      const bytes = textOf('{"script_output":"').pipe(Stream.concat(blocks), Stream.concat(textOf('","exit_code":4}')))
      const { exitCode, outputLength } = yield* ScriptResult.decodeStream(bytes)
      assert.strictEqual(exitCode, 4)
      assert.isAbove(outputLength, 80e6)
      assert.isBelow(peak - before, 16e6)
    }),
  )
})
