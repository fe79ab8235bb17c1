import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as ScriptResult from "@live-response/core/ScriptResult"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { utf8 } from "./support/bytes.ts"

const decodeText = (text: string) => ScriptResult.decode(utf8(text))

/** The service's JSON, with the output as it stands between the quotes. */
const withOutput = (output: string) =>
  `{"script_name":"a.ps1","exit_code":0,"script_output":"${output}","script_errors":""}`

const utf16 = (text: string) =>
  new Uint8Array(Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i)).buffer)

/** UTF-16LE text as JSON has it when each byte was taken for a character. */
const utf16AsBytes = (text: string): string => Array.from(utf16(text), (byte) => String.fromCharCode(byte)).join("")

/** JSON has no negative zero. */
const anyCode = Arbitrary.map(Arbitrary.schema(Schema.Int), (code) => code + 0)
const anyText = Arbitrary.filter(Arbitrary.schema(Schema.String), (text) => !text.includes("\u0000"))

describe("ScriptResult", () => {
  it.effect("decodes the vendor's own example, which is no valid JSON", () =>
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
    "decodes what was encoded as JSON to the same",
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
  ])("leaves strict results as they are: $output", ({ output, text }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* decodeText(withOutput(output))).output, text)
    }),
  )

  it.effect("knows the field names of older documentation", () =>
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

  it.effect("prefers the new field names where both are there", () =>
    Effect.gen(function* () {
      const script = yield* decodeText(
        `{"script_name":"new","name":"old","exit_code":0,"script_output":"","script_errors":"new","script_error":"old"}`,
      )
      assert.strictEqual(script.scriptName, "new")
      assert.strictEqual(script.errors, "new")
    }),
  )

  it.effect("takes absent and null strings for empty ones, and fields that it does not know", () =>
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
  ])("takes a raw control character inside a string: $name", ({ raw }) =>
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
  ])("drops what follows the closing brace: $name", ({ tail }) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* decodeText(withOutput("text") + tail)).output, "text")
    }),
  )

  it.effect.each([
    { name: "escaped, at the end", output: "51 MB\\n\\u0000\\u0000\\u0000", text: "51 MB\n" },
    { name: "raw, at the end", output: "51 MB\u0000\u0000", text: "51 MB" },
    { name: "nothing else", output: "\\u0000\\u0000", text: "" },
    {
      name: "in the middle of a long text",
      output: "some longer text\\u0000 and more of it",
      text: "some longer text and more of it",
    },
    { name: "beside text beyond Latin-1", output: "中文\\u0000", text: "中文" },
  ])("drops NULs: $name", ({ output, text }) =>
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
  ])("reads UTF-16 that comes out with NULs: $name", ({ text }) =>
    Effect.gen(function* () {
      const bytes = utf16AsBytes(text)
      const wire = { script_name: "a", exit_code: 0, script_output: bytes, script_errors: `${bytes}\u0000\u0000` }
      const script = yield* decodeText(JSON.stringify(wire))
      assert.strictEqual(script.output, text)
      assert.strictEqual(script.errors, text)
    }),
  )

  it.effect("reads UTF-16 whose NULs stand raw in the string", () =>
    Effect.gen(function* () {
      const script = yield* decodeText(withOutput(utf16AsBytes("Host: WS-0001\r\n")))
      assert.strictEqual(script.output, "Host: WS-0001\r\n")
    }),
  )

  it.effect("reads a file with a byte order mark, of UTF-8 or of UTF-16", () =>
    Effect.gen(function* () {
      const text = withOutput("中文 first\nsecond")
      assert.strictEqual((yield* ScriptResult.decode(utf16(`\uFEFF${text}`))).output, "中文 first\nsecond")
      assert.strictEqual((yield* decodeText(`\uFEFF${text}`)).output, "中文 first\nsecond")
    }),
  )

  it.effect.each([
    { name: "nothing", text: "" },
    { name: "NULs", text: "\u0000\u0000" },
    { name: "no JSON", text: "<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code></Error>" },
    { name: "cut short", text: `{"script_name":"a.ps1","exit_code":0,"script_out` },
    { name: "no exit code", text: `{"script_name":"a.ps1","script_output":""}` },
    { name: "an exit code of another type", text: `{"script_name":"a.ps1","exit_code":"0","script_output":""}` },
    { name: "an output of another type", text: `{"exit_code":0,"script_output":["a"]}` },
    { name: "a list", text: "[]" },
    { name: "two results", text: withOutput("a") + withOutput("b") },
  ])("is an error for garbage: $name", ({ text }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decodeText(text))
      assert.strictEqual(error._tag, "ScriptResultError")
      assert.match(error.message, /^not a script result: .+; the bytes are kept as they came$/)
    }),
  )

  it.effect.prop("is an error and no defect for any bytes", [Schema.Uint8Array], ([bytes]) =>
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
