/**
 * The tables of a report: filters, searches and order, without a browser.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { hashColumn, numberColumn, select, textColumn, Texts, timeColumn } from "../report/columnTypes.ts"
import { csv, jsonLines } from "../report/export.ts"

const texts = ["", "alpha", "Beta", "beta.exe", "=1+1", 'say "a, b"']
const source = new Texts(texts)

const columnsOf = (cells: ReadonlyArray<readonly [text: number, number: number | null]>) => [
  textColumn(
    { key: "text", label: "Text", width: 1 },
    source,
    cells.map(([text]) => text),
  ),
  numberColumn(
    { key: "number", label: "Number", width: 1 },
    cells.map(([, number]) => number),
    String,
  ),
]

const integer = (...values: ReadonlyArray<number>) => Arbitrary.schema(Schema.Literals(values))
const cell = Arbitrary.all([integer(0, 1, 2, 3, 4, 5), integer(-3, 0, 1, 1.5, 2_000)])
const table = Arbitrary.array(cell, { maxLength: 40 })

const rowsOf = (length: number) => Int32Array.from({ length }, (_, row) => row)
const query = { search: "", filters: new Map<string, string>(), order: undefined }

const filtered = (filter: string, column: "text" | "number" = "text") => {
  const cells = texts.map((_, i) => [i, i === 0 ? null : i * 1_000] as const)
  return Array.from(select(rowsOf(cells.length), columnsOf(cells), { ...query, filters: new Map([[column, filter]]) }))
}

describe("select", () => {
  it.prop("sorts by text without case, and by number, and keeps the order of equal rows", [table], ([cells]) => {
    const columns = columnsOf(cells)
    for (const [column, keyOf] of [
      [columns[0], (row: number) => source.lower[cells[row]?.[0] ?? 0] ?? ""],
      [columns[1], (row: number) => cells[row]?.[1] ?? 0],
    ] as const) {
      if (column === undefined) continue
      const sort = (isDescending: boolean) =>
        Array.from(select(rowsOf(cells.length), columns, { ...query, order: { column, isDescending } }))
      const expected = (sign: number) =>
        Array.from(rowsOf(cells.length)).sort((a, b) => {
          const [x, y] = [keyOf(a), keyOf(b)]
          return (x < y ? -sign : x > y ? sign : 0) || a - b
        })
      assert.deepStrictEqual(sort(false), expected(1))
      assert.deepStrictEqual(sort(true), expected(-1))
    }
  })

  it.prop("searches all texts, whatever their case", [table], ([cells]) => {
    const found = select(rowsOf(cells.length), columnsOf(cells), { ...query, search: "BETA" })
    assert.deepStrictEqual(
      Array.from(found),
      Array.from(rowsOf(cells.length)).filter((row) => [2, 3].includes(cells[row]?.[0] ?? 0)),
    )
  })

  it("filters a text by what it contains, is, or does not contain", () => {
    assert.deepStrictEqual(filtered("beta"), [2, 3])
    assert.deepStrictEqual(filtered("=BETA"), [2])
    assert.deepStrictEqual(filtered("="), [0])
    assert.deepStrictEqual(filtered("!beta"), [0, 1, 4, 5])
    assert.deepStrictEqual(filtered("!"), [0, 1, 2, 3, 4, 5])
  })

  it("filters a number by comparison, and ignores a filter that is not complete", () => {
    assert.deepStrictEqual(filtered("2000", "number"), [2])
    assert.deepStrictEqual(filtered(">=4k", "number"), [4, 5])
    assert.deepStrictEqual(filtered("!=1000", "number"), [2, 3, 4, 5])
    assert.deepStrictEqual(filtered("<0.002M", "number"), [1])
    for (const filter of [">", "x", "1x"]) assert.lengthOf(filtered(filter, "number"), 6)
  })

  it("finds a hash and a time by their beginning", () => {
    const hashes = ["00ff12", "a0ff13", "00fe14"]
    const columns = [
      hashColumn(
        { key: "hash", label: "Hash", width: 1 },
        () => Float64Array.from(hashes, (hash) => Number.parseInt(hash.padEnd(12, "0"), 16)),
        (row) => hashes[row] ?? "",
      ),
      timeColumn({ key: "time", label: "Time", width: 1 }, [1, 2, 3], (at) => `2026-0${at}`, String),
    ]
    const found = (filters: Readonly<Record<string, string>>, search = "") =>
      Array.from(select(rowsOf(3), columns, { ...query, search, filters: new Map(Object.entries(filters)) }))
    assert.deepStrictEqual(found({ hash: "00F" }), [0, 2])
    assert.deepStrictEqual(found({ hash: "zz" }), [])
    assert.deepStrictEqual(found({ time: "2026-02" }), [1])
    assert.deepStrictEqual(found({}, "a0ff"), [1])
    assert.deepStrictEqual(found({}, "00f"), [])
  })
})

describe("what is saved", () => {
  const columns = columnsOf([
    [4, 1],
    [5, null],
  ])

  it("is CSV without formulas, with quotes where they are needed", () => {
    assert.strictEqual(csv(columns, rowsOf(2)).join(""), `\uFEFFtext,number\r\n'=1+1,1\r\n"say ""a, b""",\r\n`)
  })

  it("is a JSON object in each line", () => {
    assert.deepStrictEqual(jsonLines(columns, rowsOf(2)), [
      '{"text":"=1+1","number":1}\n',
      '{"text":"say \\"a, b\\"","number":null}\n',
    ])
  })
})
