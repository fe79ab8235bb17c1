import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as QuotaText from "../src/output/QuotaText.ts"
import { now, status } from "./support/ProgressSamples.ts"

describe("the quota", () => {
  it("shows each window, the next link and a forecast", () => {
    assert.deepStrictEqual(
      QuotaText.lines(now, status(Duration.seconds(42)), Option.some({ calls: 5000, after: Duration.hours(3) })),
      [
        "this minute  ████████████████████   100 of 100 used, the next one at 10:00:42 UTC (in 42 s)",
        "this hour    ██░░░░░░░░░░░░░░░░░░   150 of 1,500 used, 1,350 free",
        "in any 10 s  ░░░░░░░░░░░░░░░░░░░░   0 of 20 used, 20 free",
        "next link at 10:00:42 UTC (in 42 s)",
        "5,000 links: the last one at 13:00:00 UTC (in 3 h), if no other program requests links",
      ],
    )
  })
})
