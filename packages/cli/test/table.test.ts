/**
 * Tables that fit the width of a terminal.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Table from "../src/output/Table.ts"

const text = () => "x".repeat(200)
const column = (title: string, width: number, more: Partial<Table.Column<null>> = {}): Table.Column<null> => ({
  title,
  width,
  text,
  ...more,
})

const columns = [
  column("COUNT", 8),
  column("ON", 36, { leastWidth: 12 }),
  column("SIZE", 8),
  column("VALUE", 40, { isEssential: true }),
]

const shown = (of: ReadonlyArray<Table.Column<null>>, width: number) =>
  Table.fitting(of, width).map(({ title, width }) => `${title} ${width}`)

describe("a table", () => {
  it("leaves out what has no space, and never an essential column", () => {
    assert.deepStrictEqual(shown(columns, 120), ["COUNT 8", "ON 36", "SIZE 8", "VALUE 62"])
    assert.deepStrictEqual(shown(columns, 90), ["COUNT 8", "ON 36", "VALUE 42"])
    assert.deepStrictEqual(shown(columns, 80), ["COUNT 8", "ON 28", "VALUE 40"])
    assert.deepStrictEqual(shown(columns, 63), ["COUNT 8", "VALUE 53"])
    assert.deepStrictEqual(shown(columns, 30), ["COUNT 8", "VALUE 20"])
    for (let width = 20; width < 140; width++) {
      assert.strictEqual(Table.row(Table.fitting(columns, width), null).length, width)
    }
  })

  it("starts with the first columns that fit, of which the last gets the remaining width", () => {
    const plain = columns.map(({ title, width }) => column(title, width))
    assert.deepStrictEqual(shown(plain, 200), ["COUNT 8", "ON 36", "SIZE 8", "VALUE 142"])
    assert.deepStrictEqual(shown(plain, 80), ["COUNT 8", "ON 36", "SIZE 32"])
    assert.deepStrictEqual(shown(plain, 5), ["COUNT 8"])
  })
})
