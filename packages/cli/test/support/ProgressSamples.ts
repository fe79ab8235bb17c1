/**
 * The progress of a batch and of sessions, made from events, for tests of what is shown.
 */
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
import * as DownloadProgress from "../../src/output/DownloadProgress.ts"
import * as FleetProgress from "../../src/output/FleetProgress.ts"
import type * as ProgressLines from "../../src/output/ProgressLines.ts"

// The tests have the same zone on every machine.
process.env.TZ = "UTC"

export const now = DateTime.makeUnsafe("2026-11-24T10:00:00Z")
export const id = (n: number) =>
  Schema.decodeSync(MachineAction.MachineActionId)(`00000000-0000-4000-8000-00000000000${n}`)
export const ref = (n: number) => Schema.decodeSync(FromString)(`${id(n)}:0`)

const window = (limit: number, duration: Duration.Duration, used: number, nextSlot: Duration.Duration) => ({
  ...QuotaRule.Window.make({ limit, duration }),
  used,
  free: limit - used,
  nextSlot,
})

export const status = (nextSlot = Duration.zero, waiting = 0) => ({
  windows: [
    window(100, Duration.minutes(1), 100, nextSlot),
    window(1500, Duration.hours(1), 150, Duration.zero),
    window(20, Duration.seconds(10), 0, Duration.zero),
  ],
  nextSlot,
  waiting,
})

export const moment = (options: Partial<ProgressLines.Moment> = {}): ProgressLines.Moment => ({
  now,
  quota: Option.some(status(Duration.seconds(42), 3)),
  remaining: Option.some(Duration.minutes(10)),
  ...options,
})

export const completed = (n: number, bytes = 1_500_000) =>
  ResultEvent.Completed.make({ at: now, ...ref(n), path: `${id(n)}/0.gz`, bytes, sha256: "ab", links: 1, attempts: 1 })

/** The progress of a batch after these events. */
export const batch = (
  events: ReadonlyArray<BatchEvent.BatchEvent>,
  kind: Partial<DownloadProgress.DownloadProgress> = {},
) => {
  const progress = { ...DownloadProgress.make({ fleet: undefined, isSaving: true }), ...kind }
  for (const event of events) DownloadProgress.update(progress, event)
  return progress
}

/** The progress of sessions after these events. */
export const fleetOf = (events: ReadonlyArray<FleetEvent.FleetEvent>, total?: number) => {
  const fleet = { ...FleetProgress.make(), total }
  for (const event of events) FleetProgress.update(fleet, event)
  return fleet
}

export const started = (n: number) =>
  FleetEvent.Started.make({ at: now, machineId: `m${n}`, machineActionId: id(n), as: "new" })

export const ended = (n: number, status: string) =>
  FleetEvent.Ended.make({
    at: now,
    machineId: `m${n}`,
    earlier: false,
    action: MachineAction.MachineAction.make({ id: id(n), type: "LiveResponse", status, commands: [] }),
  })
