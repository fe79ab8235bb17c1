import { assert, describe, it } from "@effect/vitest"
import * as ScriptFields from "@live-response/core/ScriptFields"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const plain = (output: string) => {
  const parsed = ScriptFields.parse(output)
  return parsed === undefined
    ? undefined
    : [parsed.format, ...parsed.records.map((fields) => Object.fromEntries(fields.entries()))]
}

const text = Arbitrary.array(
  Arbitrary.schema(Schema.Literals(["a", "B", " ", ",", '"', "\n", ":", " : ", "é", "=", "{", "[1]", "0"])),
  { maxLength: 8 },
).pipe(Arbitrary.map((pieces) => pieces.join("")))

const table = Arbitrary.array(Arbitrary.all([text, text]), { maxLength: 5 })
const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`

describe("ScriptFields.parse", () => {
  it("reads one object, a list of objects, and an object in each line of JSON", () => {
    assert.deepStrictEqual(plain('{"Name":"a","Size":1,"On":true,"No":null}'), [
      "json",
      { Name: ["a"], Size: ["1"], On: ["true"], No: [""] },
    ])
    assert.deepStrictEqual(plain(' [ {"a":1},{"a":2} ]\r\n'), ["json", { a: ["1"] }, { a: ["2"] }])
    assert.deepStrictEqual(plain('{"a":1}\r\n\r\n{"b":2}'), ["json", { a: ["1"] }, { b: ["2"] }])
    assert.deepStrictEqual(plain("[]"), ["json"])
  })

  it("names a field inside another one by both, and gives a list one value for each element", () => {
    assert.deepStrictEqual(plain('{"Process":{"Path":"x","Ports":[80,443]},"Users":[{"Name":"a"},{"Name":"b"}]}'), [
      "json",
      { "Process.Path": ["x"], "Process.Ports": ["80", "443"], "Users.Name": ["a", "b"] },
    ])
  })

  it("reads the CSV of PowerShell, with and without its line of a type", () => {
    const rows = '"Name","Path"\r\n"a","C:\\Program Files\\a, b.exe"\r\n"say ""hi""","two\r\nlines"\r\n'
    const records = [
      { Name: ["a"], Path: ["C:\\Program Files\\a, b.exe"] },
      { Name: ['say "hi"'], Path: ["two\nlines"] },
    ]
    assert.deepStrictEqual(plain(rows), ["csv", ...records])
    assert.deepStrictEqual(plain(`#TYPE System.ServiceProcess.ServiceController\r\n${rows}`), ["csv", ...records])
    assert.deepStrictEqual(plain("Name,State\nSpooler,\n"), ["csv", { Name: ["Spooler"], State: [""] }])
  })

  it("reads the blocks of Format-List, with values of several lines, and passes over other lines", () => {
    const output = [
      "Collecting services",
      "",
      "Name        : Spooler",
      "Path        : C:\\Windows\\System32\\spoo",
      "              lsv.exe",
      "Description :",
      "",
      "Name        : WinRM",
      "Path        : C:\\Windows : odd\\svchost.exe",
      "",
    ].join("\r\n")
    assert.deepStrictEqual(plain(output), [
      "list",
      { Name: ["Spooler"], Path: ["C:\\Windows\\System32\\spoolsv.exe"], Description: [""] },
      { Name: ["WinRM"], Path: ["C:\\Windows : odd\\svchost.exe"] },
    ])
  })

  it("leaves other output alone", () => {
    for (const output of [
      "",
      "hello",
      "one\ntwo",
      "{broken",
      '["text"]',
      "a,b",
      "a,b\n1,2,3",
      'a"b,c\n1,2',
      "Time:12:00",
    ])
      assert.isUndefined(plain(output), output)
  })

  it("survives hostile JSON", () => {
    const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`
    assert.deepStrictEqual(plain(deep), ["json", {}])
    assert.deepStrictEqual(plain('{"__proto__":"x","constructor":"y"}'), [
      "json",
      Object.fromEntries([
        ["__proto__", ["x"]],
        ["constructor", ["y"]],
      ]),
    ])
  })

  it.prop("finds in CSV what was written to it", [table], ([rows]) => {
    const csv = [["first", "second"], ...rows].map((row) => row.map(quoted).join(",")).join("\r\n")
    const parsed = ScriptFields.parse(csv)
    assert.deepStrictEqual(
      ScriptFields.valuesOf(parsed?.records ?? [], "SECOND"),
      rows.map(([, second]) => second),
    )
    if (rows.length > 0) assert.strictEqual(parsed?.format, "csv")
  })

  it.prop("finds in JSON what was written to it", [table], ([rows]) => {
    const json = JSON.stringify(rows.map(([first, second]) => ({ first, more: { second } })))
    assert.deepStrictEqual(
      ScriptFields.valuesOf(ScriptFields.parse(json)?.records ?? [], "more.second"),
      rows.map(([, second]) => second),
    )
  })

  it.prop("never throws", [text], ([output]) => {
    ScriptFields.parse(output)
  })
})
