import { assert, describe, it } from "@effect/vitest"
import * as Stack from "@live-response/core/Stack"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const words = (...words: ReadonlyArray<string>) => Arbitrary.schema(Schema.Literals(words))

const value = words("a", "b", "c", "", "__proto__")
const machine = words("ws-1", "ws-2", "ws-3", "ws-4")
const pairs = Arbitrary.array(Arbitrary.all([value, machine]), { maxLength: 30 })

const stackOf = (pairs: ReadonlyArray<readonly [string, string]>) => {
  const stack = new Stack.Stack()
  for (const [value, machine] of pairs) stack.add(value, machine)
  return stack.groups()
}

describe("Stack", () => {
  it.prop("counts each value once, and each of its machines once", [pairs], ([pairs]) => {
    for (const { count, machines, value } of stackOf(pairs)) {
      const own = pairs.filter(([other]) => other === value)
      assert.strictEqual(count, own.length)
      assert.deepStrictEqual(machines, Array.from(new Set(own.map(([, machine]) => machine))))
    }
    assert.strictEqual(
      stackOf(pairs).reduce((sum, { count }) => sum + count, 0),
      pairs.length,
    )
  })

  it.prop("has the same groups in the same order, whatever order the values come in", [pairs], ([pairs]) => {
    const shape = (pairs: ReadonlyArray<readonly [string, string]>) =>
      stackOf(pairs).map(({ count, machines, value }) => [value, count, machines.toSorted()])
    assert.deepStrictEqual(shape(pairs.toReversed()), shape(pairs))
  })

  it.prop("puts the group on the fewest machines first, then the one that occurs least", [pairs], ([pairs]) => {
    const groups = stackOf(pairs)
    groups.slice(1).forEach((group, i) => {
      const before = groups[i] ?? group
      assert.isAtMost(before.machines.length, group.machines.length)
      if (before.machines.length === group.machines.length) assert.isAtMost(before.count, group.count)
    })
  })
})

const piece = words(
  "WS-1",
  "ws-1.Contoso.com",
  "ws-12",
  "my-ws-1",
  " ",
  "\t",
  "\r\n",
  "\r",
  "\n\n",
  "2026-11-26T06:40:20.123Z",
  "2026-11-26  06:40",
  "11/26/2026 6:40:20 AM",
  "26.11.2026, 06:40",
  "C:\\Temp\\a.exe",
  "<machine>",
  "<time>",
  "machine",
  "{0F214138-B1D3-4A90-BBA9-27CBC0C5389A}",
  "İ",
  "1.2.3.4",
)
const output = Arbitrary.array(piece, { maxLength: 12 }).pipe(Arbitrary.map((pieces) => pieces.join("")))
const name = words("ws-1.contoso.com", "WS-1", "machine", "time.contoso.com", "", "a")

describe("Stack.normalise", () => {
  it.prop("changes nothing the second time", [output, name], ([output, name]) => {
    const once = Stack.normalise(output, name)
    assert.strictEqual(Stack.normalise(once, name), once)
  })

  it.prop("does not depend on line ends, indentation and blank lines", [output, name], ([output, name]) => {
    const plain = Stack.normalise(output, name)
    assert.strictEqual(Stack.normalise(`\r\n  ${output.replaceAll(/\r?\n/g, " \r\n\t")}\n\n`, name), plain)
  })

  it("makes the outputs of machines that are alike equal", () => {
    const of = (name: string, time: string) =>
      Stack.normalise(`Host ${name.toUpperCase()}:  started ${time}\r\n\\\\${name}\\C$ ${name}.contoso.com\r\n`, name)
    const alike = "Host <machine>: started <time>\n\\\\<machine>\\C$ <machine>.contoso.com"
    assert.strictEqual(of("ws-1", "2026-11-26T06:40:20.1234567Z"), alike)
    assert.strictEqual(of("srv-file", "11/26/2026 6:40:20 AM"), alike)
    assert.strictEqual(of("ws-2", "26.11.2026 06:40"), alike)
  })

  it("leaves numbers, ids, paths and the names of other machines", () => {
    const text = "pid 4711 {0F214138-B1D3-4A90-BBA9-27CBC0C5389A} C:\\Temp\\ws-12.exe my-ws-1 6:40"
    assert.strictEqual(Stack.normalise(text, "ws-1.contoso.com"), text)
  })
})

describe("Stack.firstLine", () => {
  it("skips blank lines", () => {
    assert.strictEqual(Stack.firstLine("\r\n \t\r\n  first  \r\nsecond"), "first")
    assert.strictEqual(Stack.firstLine(" \n"), "")
  })
})
