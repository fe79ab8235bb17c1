import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as StandardError from "../src/output/StandardError.ts"
import * as UnusableFiles from "../src/output/UnusableFiles.ts"

describe("UnusableFiles.make", () => {
  it.effect("keeps a bounded number of reasons, which machines may write", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* StandardError.through((line) => lines.push(line))
      const unusable = UnusableFiles.make("results", {
        one: (path) => `${path} is not counted:`,
        many: (files) => `${files} are not counted`,
      })
      for (let n = 0; n < 1_000; n++) unusable.add({ path: `${n}.json`, problem: `reason ${n}` })
      for (let n = 0; n < 2; n++) unusable.add({ path: `${n}.late`, problem: "one too many" })
      unusable.add({ path: "again.json", problem: "reason 7" })
      yield* unusable.report
      assert.strictEqual(lines[0], "live-response: 2 files are not counted, 7.json and again.json: reason 7")
      assert.lengthOf(lines, 7)
      assert.strictEqual(lines[5], "live-response: 997 more files are not counted, for other reasons")
    }).pipe(Effect.scoped),
  )
})
