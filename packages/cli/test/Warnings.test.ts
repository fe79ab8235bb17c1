import { assert, it } from "@effect/vitest"
import * as Warnings from "../src/Warnings.ts"

it("hides that SQLite is experimental, and no other warning", async () => {
  const { emitWarning } = process
  const seen: Array<string> = []
  const listener = ({ message }: Error) => seen.push(message)
  process.on("warning", listener)
  try {
    Warnings.hideSqlite()
    process.emitWarning("SQLite is an experimental feature and might change at any time", "ExperimentalWarning")
    process.emitWarning("another feature", "ExperimentalWarning")
    // A warning is emitted one tick later.
    await new Promise(setImmediate)
    assert.deepStrictEqual(seen, ["another feature"])
  } finally {
    process.off("warning", listener)
    process.emitWarning = emitWarning
  }
})
