import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as SizeArgument from "../src/input/SizeArgument.ts"

describe("a size", () => {
  it.each([
    ["20000", 20_000],
    ["20M", 20_000_000],
    ["1.5GiB", 1_610_612_736],
    ["500 MB", 500_000_000],
  ] as const)("is %s", (text, bytes) => assert.deepStrictEqual(SizeArgument.parse(text, 1), Option.some(bytes)))

  it.each(["", "0", "1.5", "-1", "99999999999999999999", "NaN", "much"])("is not %s", (text) =>
    assert.deepStrictEqual(SizeArgument.parse(text, 1), Option.none()),
  )
})
