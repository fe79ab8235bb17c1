/**
 * The data of a report: what it has at most, and what it says of the rest.
 */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as ScriptResult from "@live-response/core/ScriptResult"
import { Stack } from "@live-response/core/Stack"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { group } from "../report/grouping.ts"
import { Collector } from "../src/commands/report/collector.ts"
import { jsonPieces } from "../src/commands/report/payload.ts"
import * as Keys from "../src/commands/stack/keys.ts"
import * as Damage from "../src/input/Damage.ts"
import type { ScriptRow } from "../src/input/ResultRows.ts"
import * as Machines from "./support/Machines.ts"
import { id } from "./support/ProgressSamples.ts"

const row = (n: number, output: string): ScriptRow => ({
  kind: "script",
  machineActionId: id(n % 10),
  index: Math.floor(n / 10) % 1000,
  machineId: Machines.machineAt(n),
  machineName: `ws-${n}.contoso.com`,
  source: "a.ps1",
  at: 1_000_000 + n,
  links: 1,
  attempts: 1,
  path: `${id(n % 10)}/0.json`,
  bytes: output.length,
  sha256: n.toString(16).padStart(64, "0"),
  script: ScriptResult.Excerpt.make({
    scriptName: "a.ps1",
    exitCode: 0,
    output,
    outputLength: output.length,
    errors: "",
    errorsLength: 0,
  }),
})

const noNames = { first: [], count: 0 }
const about = {
  program: "live-response",
  directory: "case",
  written: 1,
  base: "",
  damaged: Damage.none,
  unknownNames: { unknown: noNames, ambiguous: noNames },
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")

const collect = (outputs: ReadonlyArray<string>, hashOf = (text: string) => `hash of ${text}`) => {
  const collector = new Collector(hashOf)
  outputs.forEach((output, n) => collector.addRow(row(n, output)))
  return collector.payload(about)
}

describe("the data of a report", () => {
  it("has each output once, and says how many of them it has", () => {
    const outputs = Array.from({ length: 4_100 }, (_, n) => `${n} ${"x".repeat(1_994 - String(n).length)}`)
    // Each occurs twice, and the second time nothing more fits.
    const { outputs: stored, parts, results, texts } = collect([...outputs, ...outputs])
    assert.deepStrictEqual(parts.outputs, { shown: 4_010, of: 4_100 })
    assert.deepStrictEqual(results.output.slice(0, 4_100), results.output.slice(4_100))
    assert.strictEqual(new Set(results.output).size, 4_100)
    const shown = stored.start.filter((start) => start !== 0)
    assert.lengthOf(shown, 4_010)
    assert.isAtMost(
      shown.reduce((sum, start) => sum + (texts[start]?.length ?? 0), 0),
      8_000_000,
    )
  })

  it.prop(
    "has the groups of `stack`, wherever long values differ",
    [
      Arbitrary.array(
        Arbitrary.all([
          Arbitrary.schema(Schema.Literals([0, 158, 159, 160, 161, 2_000, 5_000])),
          Arbitrary.schema(Schema.Literals(["", "A", "B", "a"])),
        ]),
        { maxLength: 12 },
      ),
    ],
    ([cells]) => {
      const collector = new Collector(sha256)
      const rows = cells.map(([length, end], n) => {
        const value = `${"x".repeat(length)}${end}`
        const { script, ...rest } = row(n % 5, JSON.stringify({ Path: value }))
        return { ...rest, source: value, script: ScriptResult.Excerpt.make({ ...script, errors: value }) }
      })
      for (const each of rows) collector.addRow(each)
      const { fields, machines, results } = collector.payload(about)
      const all = rows.map((_, n) => n)
      const [field] = fields
      const columns: Record<string, { readonly rows: ReadonlyArray<number>; readonly ids: ReadonlyArray<number> }> = {
        output: { rows: all, ids: results.output },
        "first-line": { rows: all, ids: results.firstLine },
        errors: { rows: all, ids: results.errors },
        script: { rows: all, ids: results.source },
        ".Path": { rows: field?.rows ?? [], ids: field?.values ?? [] },
      }
      for (const [by, ids] of Object.entries(columns)) {
        const stack = new Stack<string>()
        for (const each of rows) for (const value of Keys.parse(by)?.(each) ?? []) stack.add(value, each.machineId)
        const groups = group(
          { ...ids, size: 1 + Math.max(0, ...ids.ids), text: String },
          results.machine,
          machines.id.length,
          () => true,
        )
        const sizes = (pairs: ReadonlyArray<readonly [number, number]>) => pairs.map(String).sort()
        assert.deepStrictEqual(
          sizes(Array.from(groups.ids, (id) => [groups.machinesOf(id), groups.countOf(id)])),
          sizes(stack.groups().map(({ count, machines }) => [machines.length, count])),
          by,
        )
      }
    },
  )

  it("shows of a long value how long it is, and its hash", () => {
    const { results, texts } = collect(
      ["A", "B"].map((end) => `${"x".repeat(300)}${end}`),
      sha256,
    )
    const shown = results.firstLine.map((line) => texts[line] ?? "")
    for (const text of shown) assert.match(text, /^x{10,}… \(301 characters, SHA-256 [0-9a-f]{12}…\)$/)
    assert.deepStrictEqual(
      shown.map(({ length }) => length),
      [160, 160],
    )
    assert.notStrictEqual(shown[0], shown[1])
  })

  it("has the beginning of a long output, and compares all of it", () => {
    const long = "y".repeat(5_000)
    const { outputs, parts, results, texts } = collect([`${long}1`, `${long}2`, `${long}1`])
    assert.deepStrictEqual(results.output, [0, 1, 0])
    assert.deepStrictEqual(outputs.characters, [5_001, 5_001])
    assert.deepStrictEqual(
      outputs.start.map((start) => texts[start]?.length),
      [2_000, 2_000],
    )
    assert.deepStrictEqual(parts.outputs, { shown: 2, of: 2 })
  })

  it("has all values of a field or none, and says how many fields it has", () => {
    const record = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`f${n}`, n]))
    const { fields, parts } = collect([JSON.stringify(record), JSON.stringify(record)])
    assert.deepStrictEqual(parts.fields, { shown: 50, of: 60 })
    for (const { rows } of fields) assert.deepStrictEqual(rows, [0, 1])
  })

  it("has all values of a field or none, also of more fields than it counts", () => {
    const record = Object.fromEntries(Array.from({ length: 10_060 }, (_, n) => [`f${n}`, n]))
    const value = JSON.stringify({ f0: "a", f10059: "b" })
    const { fields } = collect([
      JSON.stringify(record),
      JSON.stringify({ f0: Array.from({ length: 500_000 }, () => 1) }),
      value,
      value,
    ])
    assert.deepStrictEqual(
      fields.map(({ name, rows }) => [name, rows]),
      Array.from({ length: 49 }, (_, n) => [`f${n + 1}`, [0]]),
    )
  })

  it("says how many outputs were compared whole", () => {
    const collector = new Collector(String)
    const { script, ...rest } = row(0, "start")
    const truncated = ScriptResult.Excerpt.make({ ...script, outputLength: 2_000_000 })
    collector.addRow({ ...rest, script: truncated })
    collector.addRow(row(1, "whole"))
    assert.deepStrictEqual(collector.payload(about).parts.compared, { shown: 1, of: 2 })
  })

  it.prop(
    "is the same JSON in pieces as in one",
    [Arbitrary.array(Arbitrary.schema(Schema.Literals(["", "a", 'say "b"', '{"Path":"x"}', "</script>", "\uD800"])))],
    ([outputs]) => {
      const payload = collect(outputs)
      assert.deepStrictEqual(JSON.parse(Array.from(jsonPieces(payload)).join("")), JSON.parse(JSON.stringify(payload)))
    },
  )
})
