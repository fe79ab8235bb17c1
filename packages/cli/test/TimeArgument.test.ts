import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as TimeArgument from "../src/input/TimeArgument.ts"

const now = DateTime.makeUnsafe("2026-11-24T10:00:00Z")

describe("a time in the past", () => {
  const instant = (text: string) =>
    Option.match(TimeArgument.parsePast(text, now), {
      onNone: () => "none",
      onSome: (time) => DateTime.formatIso(TimeArgument.instantOf(time, now)),
    })

  it.each([
    ["90m", "2026-11-24T08:30:00.000Z"],
    ["24h", "2026-11-23T10:00:00.000Z"],
    ["7d", "2026-11-17T10:00:00.000Z"],
    ["2w", "2026-11-10T10:00:00.000Z"],
    ["3653d", "2016-11-23T10:00:00.000Z"],
    ["2026-11-24", "2026-11-24T00:00:00.000Z"],
    ["2026-11-24T09:00:00+01:00", "2026-11-24T08:00:00.000Z"],
    // East of UTC it may be this day already.
    ["2026-11-25", "2026-11-25T00:00:00.000Z"],
  ])("is %s", (text, at) => assert.strictEqual(instant(text), at))

  it.each([
    "0m",
    "0d",
    "3654d",
    "99999999999d",
    "9".repeat(400) + "w",
    "-1d",
    "1.5h",
    "1e3h",
    "NaN",
    "Infinity",
    "",
    " ",
    "7 d",
    "7y",
    "2016-01-01",
    "0001-01-01",
    "2026-11-26",
    "9999-12-31",
    "2026-13-01",
    "2026-11-24Tnoon",
    "yesterday",
  ])("is not %s", (text) => assert.strictEqual(instant(text), "none"))
})

describe("a time in the future", () => {
  const seconds = (text: string) =>
    Option.getOrUndefined(Option.map(TimeArgument.parseFuture(text, now), Duration.toSeconds))

  it.each([
    ["1m", 60],
    ["3d", 259_200],
    ["2026-11-24T10:00:01Z", 1],
    ["2026-11-25", 50_400],
  ])("is %s", (text, after) => assert.strictEqual(seconds(text), after))

  it.each(["0m", "2026-11-24", "2026-11-24T10:00:00Z", "3654d", "99999999999d", "9999-12-31", "NaN", ""])(
    "is not %s",
    (text) => assert.strictEqual(seconds(text), undefined),
  )
})
