/**
 * Tables that fit the width of a terminal.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ActionText from "../src/output/ActionText.ts"
import * as LibraryText from "../src/output/LibraryText.ts"
import * as MachineNames from "../src/output/MachineNames.ts"
import * as MachineText from "../src/output/MachineText.ts"
import * as RunText from "../src/output/RunText.ts"
import * as SessionRows from "../src/output/SessionRows.ts"
import * as Table from "../src/output/Table.ts"
import * as TenantStatusText from "../src/output/TenantStatusText.ts"
import * as TenantText from "../src/output/TenantText.ts"

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
    assert.deepStrictEqual(shown(columns, 90), ["COUNT 8", "ON 28", "SIZE 8", "VALUE 40"])
    assert.deepStrictEqual(shown(columns, 73), ["COUNT 8", "ON 21", "VALUE 40"])
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

  it("shows in 80 columns what a list is read for", () => {
    const titles = <A>(of: ReadonlyArray<Table.Column<A>>) => Table.fitting(of, 80).map(({ title }) => title)
    assert.deepStrictEqual(titles(ActionText.columns), ["ID", "STATUS", "MACHINE", "COMMANDS"])
    assert.deepStrictEqual(titles(SessionRows.columns), ["ID", "STATUS", "MACHINE"])
    assert.deepStrictEqual(titles(MachineText.columns), ["NAME", "OS", "HEALTH", "LAST SEEN"])
    assert.deepStrictEqual(titles(LibraryText.columns), ["NAME", "UPDATED", "DESCRIPTION"])
    assert.deepStrictEqual(titles(TenantStatusText.columns), [
      "NAME",
      "STATE",
      "RESULTS",
      "FAILED",
      "BEHIND",
      "PROBLEM",
    ])
    assert.deepStrictEqual(titles(RunText.columns), ["ID", "STATE", "DONE", "TENANT"])
    assert.deepStrictEqual(titles(TenantText.columns), ["NAME", "STATE", "CLOUD", "CREDENTIAL"])
  })

  it("shows a machine by the first label of its name where the whole has no space", () => {
    const names = [
      "ws-5.corp.contoso.com",
      "ws-5",
      "10.0.0.5",
      "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
      ".ws",
      " .ws",
    ]
    assert.deepStrictEqual(names.map(MachineNames.shorten), ["ws-5", "ws-5", "10.0.0.5", "1e5b…d0cc07", ".ws", " .ws"])
    const columns: ReadonlyArray<Table.Column<string>> = [
      { title: "ID", width: 8, leastWidth: 4, isLast: true, text: () => "12345678" },
      { title: "NAME", width: 30, leastWidth: 10, text: (name) => name, short: MachineNames.shorten },
    ]
    const row = (width: number) => Table.row(Table.fitting(columns, width), "ws-5.contoso.com")
    assert.strictEqual(row(40), `ws-5.contoso.com${" ".repeat(16)}12345678`)
    assert.strictEqual(row(18), "ws-5…         123…")
    assert.deepStrictEqual(Table.cells(columns, "ws-5.contoso.com"), ["12345678", "ws-5.contoso.com"])
  })

  it("is at most as wide as its rows need, if they are known", () => {
    const columns: ReadonlyArray<Table.Column<string>> = [
      { title: "NAME", width: 30, leastWidth: 12, text: (name) => name },
      { title: "VALUE", width: 40, isEssential: true, text: () => "x" },
    ]
    const of = (rows: ReadonlyArray<string>) => Table.snug(columns, rows).map(({ width }) => width)
    assert.deepStrictEqual(of(["ws-1", "ws-10"]), [5, 5])
    assert.deepStrictEqual(of(["x".repeat(50)]), [30, 5])
    assert.deepStrictEqual(of([]), [4, 5])
  })
})
