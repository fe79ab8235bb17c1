import { assert, describe, it } from "@effect/vitest"
import type * as BatchEvent from "@live-response/core/BatchEvent"
import * as ResultEvent from "@live-response/core/ResultEvent"
import * as FleetEvent from "@live-response/core/FleetEvent"
import * as MachineAction from "@live-response/core/MachineAction"
import * as QuotaRule from "@live-response/core/QuotaRule"
import { FromString } from "@live-response/core/ResultRef"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as DownloadProgress from "../src/output/DownloadProgress.ts"
import * as FleetProgress from "../src/output/FleetProgress.ts"
import * as Screen from "../src/output/Screen.ts"

// Whatever the zone of the machine that runs the tests.
process.env.TZ = "UTC"

const now = DateTime.makeUnsafe("2026-11-24T10:00:00Z")
const id = (n: number) => Schema.decodeSync(MachineAction.MachineActionId)(`00000000-0000-4000-8000-00000000000${n}`)
const ref = (n: number) => Schema.decodeSync(FromString)(`${id(n)}:0`)

const window = (limit: number, duration: Duration.Duration, used: number, nextSlot: Duration.Duration) => ({
  ...QuotaRule.Window.make({ limit, duration }),
  used,
  free: limit - used,
  nextSlot,
})

const status = (nextSlot = Duration.zero, waiting = 0) => ({
  windows: [
    window(100, Duration.minutes(1), 100, nextSlot),
    window(1500, Duration.hours(1), 150, Duration.zero),
    window(20, Duration.seconds(10), 0, Duration.zero),
  ],
  nextSlot,
  waiting,
})

const moment = (options: Partial<Screen.Moment> = {}): Screen.Moment => ({
  now,
  quota: Option.some(status(Duration.seconds(42), 3)),
  remaining: Option.some(Duration.minutes(10)),
  ...options,
})

const completed = (n: number, bytes = 1_500_000) =>
  ResultEvent.Completed.make({ at: now, ...ref(n), path: `${id(n)}/0.gz`, bytes, sha256: "ab", links: 1, attempts: 1 })

/** A batch after these events. */
const batch = (events: ReadonlyArray<BatchEvent.BatchEvent>, kind: Partial<DownloadProgress.DownloadProgress> = {}) => {
  const view = { ...DownloadProgress.make({ fleet: undefined, isSaving: true }), ...kind }
  for (const event of events) DownloadProgress.update(view, event)
  return view
}

/** Sessions after these events. */
const fleetOf = (events: ReadonlyArray<FleetEvent.FleetEvent>, total?: number) => {
  const fleet = { ...FleetProgress.make(), total }
  for (const event of events) FleetProgress.update(fleet, event)
  return fleet
}

const started = (n: number) =>
  FleetEvent.Started.make({ at: now, machineId: `m${n}`, machineActionId: id(n), as: "new" })

const ended = (n: number, status: string) =>
  FleetEvent.Ended.make({
    at: now,
    machineId: `m${n}`,
    earlier: false,
    action: MachineAction.MachineAction.make({ id: id(n), type: "LiveResponse", status, commands: [] }),
  })

describe("the screen", () => {
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

  it("shows what is done, the quota, what is downloaded now and when it ends", () => {
    assert.deepStrictEqual(Screen.lines(view, moment(), 90), [
      "Results  ██████░░░░░░░░░░░░░░░░░░   25 %   2 of 8 done   1.5 MB   1 were here",
      "Quota    ████████ 100/100 this minute",
      "         █░░░░░░░ 150/1,500 this hour",
      "         ░░░░░░░░ 0/20 in any 10 s",
      "         next link at 10:00:42 UTC (in 42 s), 3 waiting",
      `         ${ref(3)}   ██░░░░░░ 1.0 kB of 4.0 kB`,
      `         ${ref(4)}   1.0 kB`,
      "Ends     about 10:10:00 UTC (in 10 min)",
    ])
  })

  it("fits any terminal", () => {
    for (const columns of [1, 10, 40, 79, 80, 200]) {
      for (const line of Screen.lines(view, moment(), columns)) assert.isBelow(line.length, Math.max(2, columns))
    }
  })

  it("says where the quota is not known, and leaves out what can't be foreseen", () => {
    const lines = Screen.lines(batch([]), moment({ quota: Option.none(), remaining: Option.none() }), 80)
    assert.deepStrictEqual(lines, [
      "Results  ░░░░░░░░░░░░░░░░░░░░░░░░   0 done   0 B",
      "Quota    not known: its log does not answer",
    ])
  })

  it("names the day of what is more than a day away", () => {
    const lines = Screen.lines(view, moment({ remaining: Option.some(Duration.hours(49)) }), 100)
    assert.include(lines.at(-1) ?? "", "about Thu 26 Nov 11:00:00 UTC (in 2 d 1 h)")
  })

  it("shows the last and the next look of what is followed", () => {
    const look = (ago: Duration.Duration) => ({ last: DateTime.subtractDuration(now, ago), next: Duration.minutes(1) })
    const watch = (ago: Duration.Duration) =>
      Screen.lines(batch([], { look: look(ago) }), moment(), 100).filter((line) => line.startsWith("Watch"))
    assert.deepStrictEqual(watch(Duration.seconds(18)), [
      "Watch    last look at 09:59:42 UTC, next look at 10:00:42 UTC (in 42 s)",
    ])
    assert.deepStrictEqual(watch(Duration.seconds(61)), ["Watch    last look at 09:58:59 UTC, looking now"])
  })

  it("shows machines, on as many lines as they need", () => {
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
    assert.deepStrictEqual(Screen.lines(view, moment(), 120), [
      "Machines █████░░░░░░░░░░░░░░░░░░░   1 of 5 over   1 running   1 offline   1 failed   2 wait for their turn",
    ])
    assert.deepStrictEqual(Screen.lines(view, moment(), 70).slice(1), [
      "         1 running",
      "         1 offline",
      "         1 failed",
      "         2 wait for their turn",
    ])
  })

  it("is one line in a log", () => {
    assert.strictEqual(
      Screen.line(view, moment()),
      "2 of 8 done   1.5 MB   1 were here; quota 100/100 this minute, 150/1,500 this hour, 0/20 in any 10 s, next link at 10:00:42 UTC (in 42 s); ends about 10:10:00 UTC (in 10 min)",
    )
  })
})

describe("the quota alone", () => {
  it("is each window, the next link and a forecast", () => {
    assert.deepStrictEqual(
      Screen.quota(now, status(Duration.seconds(42)), Option.some({ calls: 5000, after: Duration.hours(3) })),
      [
        "this minute  ████████████████████   100 of 100 used, the next one at 10:00:42 UTC (in 42 s)",
        "this hour    ██░░░░░░░░░░░░░░░░░░   150 of 1,500 used, 1,350 free",
        "in any 10 s  ░░░░░░░░░░░░░░░░░░░░   0 of 20 used, 20 free",
        "next link at 10:00:42 UTC (in 42 s)",
        "5,000 links: the last one at 13:00:00 UTC (in 3 h), if nobody else calls",
      ],
    )
  })
})

describe("the summary", () => {
  const summary = (view: DownloadProgress.DownloadProgress, isRemembered = true) =>
    Screen.summary(view, { directory: "out", took: Duration.seconds(5), isRemembered })

  it("says where results are only where there are some", () => {
    const where = "The results are in out, listed in its manifest.jsonl."
    assert.deepStrictEqual(summary(batch([])), ["0 downloaded (0 B); 0 links in 5 s."])
    assert.deepStrictEqual(summary(batch([completed(1)])), ["1 downloaded (1.5 MB); 0 links in 5 s.", where])
    assert.include(summary(batch([ResultEvent.Skipped.make({ at: now, ...ref(1), reason: "present" })])), where)
    const failed = batch([])
    DownloadProgress.addBadTarget(failed)
    assert.deepStrictEqual(summary(failed), [
      "0 downloaded (0 B), 1 failed; 0 links in 5 s.",
      "Run the same command again: it goes on where it stopped, and tries again what failed.",
    ])
  })

  it("counts what was not unpacked, and says that it was interrupted", () => {
    assert.deepStrictEqual(summary(batch([completed(1)], { notExtracted: 1, interrupted: true })), [
      "Interrupted: 1 downloaded (1.5 MB), 1 not unpacked; 0 links in 5 s.",
      "The results are in out, listed in its manifest.jsonl.",
      "Run the same command again: it goes on where it stopped, and tries again what failed.",
    ])
  })

  it("of sessions that were interrupted says that they continue, how to resume and how to cancel them", () => {
    const events = [started(1), started(2), ended(2, "Succeeded"), started(3)]
    const view = (interrupted: boolean) => batch([], { fleet: fleetOf(events, 4), isSaving: false, interrupted })
    const cancel =
      "2 sessions continue at the service. To cancel one: live-response actions cancel ID --comment TEXT; the ids are in live-response actions list --type LiveResponse --status Pending --status InProgress."
    assert.deepStrictEqual(summary(view(true)), [
      "Interrupted: 1 session succeeded, 2 not over yet; 1 machine not tried in 5 s.",
      cancel,
      "Run the same command again: it resumes watching them, and starts what is left.",
    ])
    assert.deepStrictEqual(summary(view(true), false), [
      "Interrupted: 1 session succeeded, 2 not over yet; 1 machine not tried in 5 s.",
      cancel,
      "Nothing was remembered (--journal DIR): the same command again begins new sessions.",
    ])
    assert.deepStrictEqual(summary(view(false), false).slice(1), [
      "Sessions that are not over go on: see live-response actions list.",
      "Nothing was remembered (--journal DIR): the same command again begins new sessions.",
    ])
  })

  it("of sessions that none continues of says nothing of that", () => {
    const view = batch([], { fleet: fleetOf([started(1), ended(1, "Failed")]), isSaving: false, interrupted: true })
    assert.deepStrictEqual(summary(view), [
      "Interrupted: 0 sessions succeeded, 1 failed in 5 s.",
      "Run the same command again: it goes on where it stopped, and tries again what failed.",
      "Sessions that failed are not begun again, unless with --retry-failed.",
    ])
  })
})
