import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const read = (path: string) => readFileSync(join(root, path), "utf8")
const page = read("SECURITY.md")

const factors: Readonly<Record<string, number>> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, MB: 1e6, GB: 1e9 }

/** 64 MiB, 1,000 */
const stated = (bound: string) => {
  const [, figure = "", unit = ""] = /^([\d,]+) ?([A-Za-z]*)$/.exec(bound) ?? []
  return Number(figure.replaceAll(",", "")) * (factors[unit] ?? Number.NaN)
}

/** The value that the source gives the name, as a product of numbers. */
const valueOf = (path: string, name: string) => {
  const product = new RegExp(`\\b${name}(?:: number)?(?: =|:) ([\\d_e]+(?: \\* [\\d_]+)*)`).exec(read(path))?.[1]
  return product?.split(" * ").reduce((value, factor) => value * Number(factor.replaceAll("_", "")), 1)
}

describe("SECURITY.md", () => {
  it("names a test for each promise, and each of these tests exists", () => {
    const promises = page.slice(page.indexOf("## What is promised"), page.indexOf("## Bounds")).split("\n")
    const unproved = promises.filter(
      (line) => line.startsWith("- ") && !/`[^`]+\.test\.(ts|mjs)`|the table below/.test(line),
    )
    assert.deepStrictEqual(unproved, [])
    const named = Array.from(
      page.matchAll(/`((?:packages|scripts)\/[^`\s]+\.test\.(?:ts|mjs))`/g),
      ([, path = ""]) => path,
    )
    assert.isAtLeast(named.length, 20)
    assert.deepStrictEqual(
      named.filter((path) => !existsSync(join(root, path))),
      [],
    )
  })

  it("states the bounds of the code", () => {
    const rows = Array.from(page.matchAll(/\| +([\d,]+(?: \w+)?) +\| `([^`]+)` `(\w+)` +\|/g))
    assert.isAtLeast(rows.length, 25)
    for (const [, bound = "", path = "", name = ""] of rows) {
      assert.strictEqual(valueOf(path, name), stated(bound), `${path} ${name}`)
    }
  })

  it("says that the fuzzers run in CI with a fixed seed", () => {
    assert.match(read(".ci/run"), /^step fuzz npm run fuzz -- --seconds 60 --seed 1$/m)
  })
})
