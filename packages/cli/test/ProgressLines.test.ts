import { assert, describe, it } from "@effect/vitest"
import * as ResultEvent from "@live-response/core/ResultEvent"
import * as FleetEvent from "@live-response/core/FleetEvent"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as ProgressLines from "../src/output/ProgressLines.ts"
import * as RateMeter from "../src/output/RateMeter.ts"
import { batch, completed, ended, fleetOf, id, moment, now, ref, started } from "./support/ProgressSamples.ts"

describe("the rate", () => {
  it("is that of the last ten seconds, and unknown at first", () => {
    const at = (second: number, bytes: number) => ({ at: 1000 * second, bytes })
    const after = (...samples: ReadonlyArray<RateMeter.Sample>) =>
      RateMeter.rateOf(samples.reduce<RateMeter.Samples>(RateMeter.add, []))
    assert.strictEqual(after(at(0, 500)), undefined)
    assert.strictEqual(after(at(0, 500), at(2, 2500)), 1000)
    assert.strictEqual(after(at(0, 0), at(10, 100_000), at(20, 100_000)), 0)
    assert.strictEqual(after(at(100, 0), at(1, 0), at(2, 3000)), 3000)
  })
})

describe("the progress display", () => {
  const view = batch(
    [
      ResultEvent.Linked.make({ at: now, ...ref(1), links: 1 }),
      completed(1),
      ResultEvent.Skipped.make({ at: now, ...ref(2), reason: "present" }),
      ResultEvent.Progress.make({ at: now, ...ref(3), bytes: 1000, total: 4000 }),
      ResultEvent.Progress.make({ at: now, ...ref(4), bytes: 1000 }),
    ],
    { total: 8 },
  )

  it("shows what is done, the quota, the downloads in progress and when they end", () => {
    assert.deepStrictEqual(ProgressLines.lines(view, moment(), 90), [
      "Results  ██████░░░░░░░░░░░░░░░░░░   25 %   2 of 8 done   1.5 MB   1 already present",
      "Quota    ████████ 100/100 this minute",
      "         █░░░░░░░ 150/1,500 this hour",
      "         ░░░░░░░░ 0/20 in any 10 s",
      "         next link at 10:00:42 UTC (in 42 s), 3 waiting",
      `         ${ref(3)}   ██░░░░░░ 1.0 kB of 4.0 kB`,
      `         ${ref(4)}   1.0 kB`,
      "Ends     about 10:10:00 UTC (in 10 min)",
    ])
  })

  it("has numbers and no bars on a narrow terminal, so that the rate is not cut off", () => {
    assert.deepStrictEqual(ProgressLines.lines(view, { ...moment(), bytesPerSecond: 12_300_000 }, 40).slice(0, 4), [
      "Results  25 %   2 of 8 done   1.5 MB",
      "         12.3 MB/s   1 already present",
      "Quota    100/100 this minute",
      "         150/1,500 this hour",
    ])
  })

  it("cuts no count off, at any usual width", () => {
    const busy = batch([completed(1)], { total: 7000, retries: 12 })
    busy.summary = { ...busy.summary, failed: 1 }
    busy.skipped.present = 3456
    busy.transfers.set(`${ref(3)}`, { bytes: 123_400_000, total: 987_600_000 })
    const full = { ...moment(), bytesPerSecond: 12_300_000 }
    assert.deepStrictEqual(ProgressLines.lines(busy, full, 80).slice(0, 2), [
      "Results  ░░░░░░░░░░░░░░░░░░░░░░░░   0 %   2 of 7,000 done   1.5 MB   12.3 MB/s",
      "         1 failed   3,456 already present   12 retries",
    ])
    for (const columns of [48, 59, 60, 79, 80, 120]) {
      const lines = ProgressLines.lines(busy, full, columns)
      const text = lines.map((line) => line.trim()).join("   ")
      for (const count of ["1.5 MB   12.3 MB/s   1 failed   3,456 already present   12 retries", "123 MB of 988 MB"]) {
        assert.include(text, count, `${columns} columns`)
      }
    }
  })

  it("fits any terminal", () => {
    for (const columns of [1, 10, 40, 79, 80, 200]) {
      for (const line of ProgressLines.lines(view, moment(), columns)) assert.isBelow(line.length, Math.max(2, columns))
    }
  })

  it("says that the quota is unknown, and leaves out what can't be estimated", () => {
    const lines = ProgressLines.lines(batch([]), moment({ quota: Option.none(), remaining: Option.none() }), 80)
    assert.deepStrictEqual(lines, [
      "Results  ░░░░░░░░░░░░░░░░░░░░░░░░   0 done   0 B",
      "Quota    unknown: the quota store does not answer",
    ])
  })

  it("names the day of a time more than a day away", () => {
    const lines = ProgressLines.lines(view, moment({ remaining: Option.some(Duration.hours(49)) }), 100)
    assert.include(lines.at(-1) ?? "", "about Thu 26 Nov 11:00:00 UTC (in 2 d 1 h)")
  })

  it("shows the last and the next search of --follow", () => {
    const search = (ago: Duration.Duration) => ({
      last: DateTime.subtractDuration(now, ago),
      next: Duration.minutes(1),
    })
    const watch = (ago: Duration.Duration) =>
      ProgressLines.lines(batch([], { search: search(ago) }), moment(), 100).filter((line) => line.startsWith("Watch"))
    assert.deepStrictEqual(watch(Duration.seconds(18)), [
      "Watch    last search at 09:59:42 UTC, next search at 10:00:42 UTC (in 42 s)",
    ])
    assert.deepStrictEqual(watch(Duration.seconds(61)), ["Watch    last search at 09:58:59 UTC, searching now"])
  })

  it("shows machines on as many lines as they need", () => {
    const fleet = fleetOf(
      [
        started(1),
        started(2),
        FleetEvent.Offline.make({ at: now, machineId: "m2", machineActionId: id(2) }),
        started(3),
        ended(3, "Failed"),
      ],
      5,
    )
    const view = batch([], { fleet, isSaving: false })
    assert.deepStrictEqual(ProgressLines.lines(view, moment(), 120), [
      "Machines █████░░░░░░░░░░░░░░░░░░░   1 of 5 finished   1 running   1 offline   1 failed   2 waiting",
    ])
    assert.deepStrictEqual(ProgressLines.lines(view, moment(), 70), [
      "Machines ██░░░░░░░░░░   1 of 5 finished   1 running   1 offline",
      "         1 failed   2 waiting",
    ])
  })

  it("is one line in a log", () => {
    assert.strictEqual(
      ProgressLines.line(view, moment()),
      "2 of 8 done   1.5 MB   1 already present; quota 100/100 this minute, 150/1,500 this hour, 0/20 in any 10 s, next link at 10:00:42 UTC (in 42 s); ends about 10:10:00 UTC (in 10 min)",
    )
  })
})
