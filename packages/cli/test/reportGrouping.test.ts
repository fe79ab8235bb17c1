/**
 * The groups of a report are those that `live-response stack` prints.
 */
import { Stack } from "@live-response/core/Stack"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { group } from "../report/grouping.ts"

const texts = ["", "b", "a", "B", "é", "aa"]
const below = (most: number) => Arbitrary.schema(Schema.Literals(Array.from({ length: most }, (_, i) => i)))
const rows = Arbitrary.array(Arbitrary.all([below(texts.length), below(4)]), { maxLength: 30 })

describe("group", () => {
  it.prop("makes the groups of core's Stack, in the same order", [rows], ([cells]) => {
    const machines = cells.map(([, machine]) => machine)
    const expected = new Stack<number>()
    for (const [text, machine] of cells) expected.add(texts[text] ?? "", machine)
    const values = {
      rows: cells.map((_, row) => row),
      ids: cells.map(([text]) => text),
      size: texts.length,
      text: (id: number) => texts[id] ?? "",
    }
    const { countOf, ids, machinesOf, rowsOf } = group(values, machines, 4, () => true)
    assert.deepStrictEqual(
      Array.from(ids, (id) => ({
        value: values.text(id),
        count: countOf(id),
        machines: Array.from(new Set(Array.from(rowsOf(id), (row) => machines[row] ?? 0))),
      })),
      expected.groups(),
    )
    for (const { machines: all, value } of expected.groups())
      assert.strictEqual(machinesOf(texts.indexOf(value)), all.length)
  })

  it("counts a row that has a value twice as often, and names it once", () => {
    const values = { rows: [0, 1, 1, 2], ids: [0, 0, 0, 1], size: 3, text: String }
    const { countOf, ids, rowsOf } = group(values, [0, 0, 0], 1, (row) => row !== 2)
    assert.deepStrictEqual(Array.from(ids), [0])
    assert.strictEqual(countOf(0), 3)
    assert.deepStrictEqual(Array.from(rowsOf(0)), [0, 1])
  })
})
