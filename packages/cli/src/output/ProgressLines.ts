/**
 * The text of the progress display: pure, so that it is tested without a terminal. `ProgressDisplay.ts` draws it.
 */
import type * as Quota from "@live-response/core/Quota"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { type DownloadProgress, finished, type Transfer } from "./DownloadProgress.ts"
import * as FleetProgress from "./FleetProgress.ts"
import * as Format from "./Format.ts"
import * as QuotaText from "./QuotaText.ts"

/** What the display shows beside the progress itself. */
export interface Moment {
  readonly now: DateTime.Utc
  /** None if the quota store does not answer. */
  readonly quota: Option.Option<Quota.Status>
  /** The estimated time until the batch has finished, if it can be estimated. */
  readonly remaining: Option.Option<Duration.Duration>
  /** How many bytes a second arrive, if it is known. */
  readonly bytesPerSecond?: number | undefined
}

const labelWidth = 9

/** Lines that share a label, shown on the first. */
const labelled = (label: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line, i) => `${(i === 0 ? label : "").padEnd(labelWidth)}${line}`)

const gap = "   "

/** As many parts on each line as there are columns for: what is cut off may be the count of what failed. */
const packed = (parts: ReadonlyArray<string>, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const part of parts) {
    const last = lines.at(-1)
    const longer = `${last}${gap}${part}`
    if (last === undefined || longer.length >= columns - labelWidth) lines.push(part)
    else lines[lines.length - 1] = longer
  }
  return lines
}

/** A bar with what is beside it, or that alone where no column is left for a bar. */
const withBar = (part: number, whole: number, width: number, text: string): string =>
  width === 0 ? text.trimStart() : `${Format.bar(part, whole, width)}${text}`

const quotaLines = ({ now, quota }: Moment, width: number, columns: number): ReadonlyArray<string> =>
  Option.match(quota, {
    onNone: () => [QuotaText.unknown],
    onSome: (status) => {
      const windows = status.windows.map((window) =>
        withBar(window.used, window.limit, width, ` ${QuotaText.used(window)}`),
      )
      const oneLine = windows.join("   ")
      return [
        ...(oneLine.length < columns - labelWidth ? [oneLine] : windows),
        `${QuotaText.nextLink(now, status)}${status.waiting === 0 ? "" : `, ${Format.count(status.waiting)} waiting`}`,
      ]
    },
  })

/** A count that is left out if it is zero. */
const unlessZero = (n: number, what: string): ReadonlyArray<string> => (n === 0 ? [] : [`${Format.count(n)} ${what}`])

const ofTotal = (total: number | undefined): string => (total === undefined ? "" : ` of ${Format.count(total)}`)

/** The rate, unless nothing arrives. */
const rate = ({ bytesPerSecond = 0 }: Moment): ReadonlyArray<string> =>
  bytesPerSecond < 1 ? [] : [`${Format.bytes(bytesPerSecond)}/s`]

const doneCount = (progress: DownloadProgress): string =>
  `${Format.count(finished(progress))}${ofTotal(progress.total)} done`

const amounts = (progress: DownloadProgress, moment: Moment): ReadonlyArray<string> => {
  const { bytes, failed } = progress.summary
  return [
    Format.bytes(bytes),
    ...rate(moment),
    ...unlessZero(failed, "failed"),
    ...unlessZero(progress.skipped.present, "already present"),
    ...unlessZero(progress.retries, progress.retries === 1 ? "retry" : "retries"),
  ]
}

const machineCounts = (fleet: FleetProgress.FleetProgress): ReadonlyArray<string> => {
  const { failed, notStarted, unfinished } = fleet.sessions
  return [
    `${Format.count(FleetProgress.finished(fleet))}${ofTotal(fleet.total)} finished`,
    ...unlessZero(fleet.running, "running"),
    ...unlessZero(fleet.offline.size, "offline"),
    ...unlessZero(failed, "failed"),
    ...unlessZero(unfinished, "no longer waited for"),
    ...unlessZero(notStarted, "without a session"),
    ...unlessZero(FleetProgress.left(fleet), "waiting"),
  ]
}

const machineLines = (fleet: FleetProgress.FleetProgress, width: number, columns: number): ReadonlyArray<string> => {
  const [finished, ...others] = machineCounts(fleet)
  const gauge = withBar(FleetProgress.finished(fleet), fleet.total ?? 0, width, `${gap}${finished}`)
  return packed([gauge, ...others], columns)
}

const searchLines = ({ search }: DownloadProgress, { now }: Moment): ReadonlyArray<string> => {
  if (search === undefined) return []
  const left = Duration.subtract(search.next, DateTime.distance(search.last, now))
  const next = Duration.isGreaterThan(left, Duration.zero)
    ? `next search at ${Format.instantAfter(now, left)}`
    : "searching now"
  return [`last search at ${Format.timeOfDay(search.last)}, ${next}`]
}

const transferParts = ([name, { bytes, total }]: readonly [string, Transfer], width: number): ReadonlyArray<string> => [
  name,
  total === undefined
    ? Format.bytes(bytes)
    : withBar(bytes, total, width, ` ${Format.bytes(bytes)} of ${Format.bytes(total)}`),
]

const resultLines = (
  progress: DownloadProgress,
  moment: Moment,
  width: number,
  columns: number,
): ReadonlyArray<string> => {
  const done = finished(progress)
  const percent =
    progress.total === undefined ? "" : `${Math.floor((100 * done) / Math.max(1, progress.total))} %${gap}`
  const gauge = withBar(done, progress.total ?? 0, width, `${gap}${percent}${doneCount(progress)}`)
  return packed([gauge, ...amounts(progress, moment)], columns)
}

/** The lines for a terminal of this width. */
export const lines = (progress: DownloadProgress, moment: Moment, columns: number): ReadonlyArray<string> => {
  // On a narrow terminal the numbers have the columns of the bar.
  const width = columns < 60 ? 0 : columns < 80 ? 12 : 24
  const { fleet } = progress
  const saving = () => [
    ...labelled("Results", resultLines(progress, moment, width, columns)),
    ...labelled("Watch", searchLines(progress, moment)),
    ...labelled("Quota", quotaLines(moment, width / 3, columns)),
    ...labelled(
      "",
      Array.from(progress.transfers)
        .slice(0, 4)
        .flatMap((transfer) => packed(transferParts(transfer, width / 3), columns)),
    ),
    ...labelled(
      "Ends",
      Option.toArray(moment.remaining).map((remaining) => `about ${Format.instantAfter(moment.now, remaining)}`),
    ),
  ]
  const drawn = [
    ...(fleet === undefined ? [] : labelled("Machines", machineLines(fleet, width, columns))),
    ...(progress.isSaving ? saving() : []),
  ]
  return drawn.map((line) => line.slice(0, Math.max(1, columns - 1)))
}

/** The progress in one line, for logs. The time is added by the log. */
export const line = (progress: DownloadProgress, moment: Moment): string => {
  const quota = Option.match(moment.quota, {
    onNone: () => QuotaText.unknown,
    onSome: (status) => `${status.windows.map(QuotaText.used).join(", ")}, ${QuotaText.nextLink(moment.now, status)}`,
  })
  const ends = Option.match(moment.remaining, {
    onNone: () => "",
    onSome: (remaining) => `; ends about ${Format.instantAfter(moment.now, remaining)}`,
  })
  const parts = [
    ...(progress.fleet === undefined ? [] : [`machines ${machineCounts(progress.fleet).join(gap)}`]),
    ...(progress.isSaving
      ? [`${[doneCount(progress), ...amounts(progress, moment)].join(gap)}; quota ${quota}${ends}`]
      : []),
  ]
  return parts.join("; ")
}
