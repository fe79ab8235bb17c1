import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Format from "../src/output/Format.ts"

describe("a time of day", () => {
  const summer = DateTime.makeUnsafe("2026-07-01T22:04:05.678Z")

  /** Under another zone of this machine. */
  const inZone = <A>(zone: string, run: () => A): A => {
    const before = process.env.TZ
    process.env.TZ = zone
    try {
      return run()
    } finally {
      if (before === undefined) delete process.env.TZ
      else process.env.TZ = before
    }
  }

  it.each([
    ["UTC", "22:04:05 UTC", "2026-07-01 22:04:05 UTC", "Wed 1 Jul"],
    ["Europe/Berlin", "00:04:05 UTC+2", "2026-07-02 00:04:05 UTC+2", "Thu 2 Jul"],
    ["America/New_York", "18:04:05 UTC-4", "2026-07-01 18:04:05 UTC-4", "Wed 1 Jul"],
    ["Asia/Kolkata", "03:34:05 UTC+5:30", "2026-07-02 03:34:05 UTC+5:30", "Thu 2 Jul"],
  ])("has its zone: %s", (zone, time, dateAndTime, day) =>
    inZone(zone, () => {
      assert.strictEqual(Format.timeOfDay(summer), time)
      assert.strictEqual(Format.dateAndTime(summer), dateAndTime)
      assert.strictEqual(Format.day(summer), day)
    }),
  )

  it("distinguishes the hour that occurs twice in autumn", () =>
    inZone("Europe/Berlin", () => {
      const [first, second] = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"].map((iso) =>
        Format.timeOfDay(DateTime.makeUnsafe(iso)),
      )
      assert.deepStrictEqual([first, second], ["02:30:00 UTC+2", "02:30:00 UTC+1"])
    }))

  it("has milliseconds on request", () =>
    inZone("UTC", () =>
      assert.strictEqual(Format.timeOfDay(summer, { fractionalSecondDigits: 3 }), "22:04:05.678 UTC"),
    ))
})

describe("sizes, durations and counts", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [123_456, "123 kB"],
    [4_000_000, "4.0 MB"],
    [2 ** 53, "9007 TB"],
  ])("%i bytes are %s", (bytes, text) => assert.strictEqual(Format.bytes(bytes), text))

  it.each([
    ["0 seconds", "0 s"],
    ["1500 millis", "2 s"],
    ["59 seconds", "59 s"],
    ["90 seconds", "2 min"],
    ["369 minutes", "6 h 9 min"],
    ["2 hours", "2 h"],
    ["48 hours", "2 d"],
    ["50 hours", "2 d 2 h"],
  ] as const)("%s are %s", (duration, text) =>
    assert.strictEqual(Format.duration(Duration.fromInputUnsafe(duration)), text),
  )

  it("has commas, and an s unless it is one", () => {
    assert.deepStrictEqual(
      [0, 1, 12_345].map((n) => Format.counted(n, "link")),
      ["0 links", "1 link", "12,345 links"],
    )
  })

  it("draws a bar of constant width", () => {
    assert.deepStrictEqual(
      [0, 1, 2, 9].map((part) => Format.bar(part, 2, 4)),
      ["░░░░", "██░░", "████", "████"],
    )
    assert.strictEqual(Format.bar(0, 0, 3), "░░░")
  })
})
