/**
 * What is drawn of a batch: pure text, so that it can be tested without a terminal.
 */
import type * as Quota from "@live-response/core/Quota"
import type * as QuotaRule from "@live-response/core/QuotaRule"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { type DownloadProgress, finished, type Transfer } from "./DownloadProgress.ts"
import * as FleetProgress from "./FleetProgress.ts"
import * as Format from "./Format.ts"

export interface Moment {
  readonly now: DateTime.Utc
  /** Not there where its log does not answer. */
  readonly quota: Option.Option<Quota.Status>
  /** When the batch will be done, where that can be told. */
  readonly remaining: Option.Option<Duration.Duration>
}

const windowName = (window: Duration.Duration): string =>
  Duration.toMinutes(window) === 1
    ? "this minute"
    : Duration.toHours(window) === 1
      ? "this hour"
      : `in any ${Duration.toSeconds(window) < 60 ? `${Duration.toSeconds(window)} s` : Format.duration(window)}`

const at = (now: DateTime.Utc, after: Duration.Duration): string => {
  const instant = DateTime.addDuration(now, after)
  const isFar = Duration.toHours(after) >= 24
  return `${isFar ? `${Format.day(instant)} ` : ""}${Format.timeOfDay(instant)} (in ${Format.duration(after)})`
}

const nextLink = (now: DateTime.Utc, { nextSlot }: QuotaRule.Status): string =>
  Duration.isZero(nextSlot) ? "next link now" : `next link at ${at(now, nextSlot)}`

const used = ({ duration, limit, used }: QuotaRule.WindowStatus): string =>
  `${Format.count(used)}/${Format.count(limit)} ${windowName(duration)}`

const unknownQuota = "not known: its log does not answer"

const gauges = ({ now, quota }: Moment, width: number, columns: number): ReadonlyArray<string> =>
  Option.match(quota, {
    onNone: () => [unknownQuota],
    onSome: (status) => {
      const windows = status.windows.map((window) => `${Format.bar(window.used, window.limit, width)} ${used(window)}`)
      const oneLine = windows.join("   ")
      return [
        ...(oneLine.length < columns - labelWidth ? [oneLine] : windows),
        `${nextLink(now, status)}${status.waiting === 0 ? "" : `, ${Format.count(status.waiting)} waiting`}`,
      ]
    },
  })

/** What is worth a word only where there is some of it. */
const some = (n: number, what: string): string => (n === 0 ? "" : `   ${Format.count(n)} ${what}`)

const ofAll = (total: number | undefined): string => (total === undefined ? "" : ` of ${Format.count(total)}`)

const results = (view: DownloadProgress): string => {
  const { bytes, failed, skipped } = view.summary
  const done = `${Format.count(finished(view))}${ofAll(view.total)} done   ${Format.bytes(bytes)}`
  return `${done}${some(failed, "failed")}${some(skipped - view.absent, "were here")}${some(view.retries, "tried again")}`
}

const machines = (fleet: FleetProgress.FleetProgress): ReadonlyArray<string> => {
  const { failed, notStarted, unfinished } = fleet.sessions
  return [
    `${Format.count(FleetProgress.finished(fleet))}${ofAll(fleet.total)} over`,
    some(fleet.running, "running"),
    some(fleet.offline.size, "offline"),
    some(failed, "failed"),
    some(unfinished, "not waited for"),
    some(notStarted, "without a session"),
    some(FleetProgress.left(fleet), "wait for their turn"),
  ].filter((text) => text !== "")
}

const watch = ({ look }: DownloadProgress, { now }: Moment): ReadonlyArray<string> => {
  if (look === undefined) return []
  const left = Duration.subtract(look.next, DateTime.distance(look.last, now))
  const next = Duration.isGreaterThan(left, Duration.zero) ? `next look at ${at(now, left)}` : "looking now"
  return [`last look at ${Format.timeOfDay(look.last)}, ${next}`]
}

const labelWidth = 9

/** Lines of one matter: the first has its name. */
const labelled = (label: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.map((line, i) => `${(i === 0 ? label : "").padEnd(labelWidth)}${line}`)

/** The lines for a terminal of this width. */
export const lines = (view: DownloadProgress, moment: Moment, columns: number): ReadonlyArray<string> => {
  const width = columns < 80 ? 12 : 24
  const percent = view.total === undefined ? "" : `${Math.floor((100 * finished(view)) / Math.max(1, view.total))} %   `
  const transfer = ([name, { bytes, total }]: readonly [string, Transfer]) =>
    total === undefined
      ? `${name}   ${Format.bytes(bytes)}`
      : `${name}   ${Format.bar(bytes, total, width / 3)} ${Format.bytes(bytes)} of ${Format.bytes(total)}`
  const sessions = (fleet: FleetProgress.FleetProgress) => {
    const [over, ...others] = machines(fleet)
    const gauge = `${Format.bar(FleetProgress.finished(fleet), fleet.total ?? 0, width)}   ${over}`
    const oneLine = `${gauge}${others.join("")}`
    return labelled(
      "Machines",
      oneLine.length < columns - labelWidth ? [oneLine] : [gauge, ...others.map((other) => other.trimStart())],
    )
  }
  const saving = () => [
    ...labelled("Results", [`${Format.bar(finished(view), view.total ?? 0, width)}   ${percent}${results(view)}`]),
    ...labelled("Watch", watch(view, moment)),
    ...labelled("Quota", gauges(moment, width / 3, columns)),
    ...labelled("", Array.from(view.transfers).slice(0, 4).map(transfer)),
    ...labelled(
      "Ends",
      Option.toArray(moment.remaining).map((remaining) => `about ${at(moment.now, remaining)}`),
    ),
  ]
  const drawn = [...(view.fleet === undefined ? [] : sessions(view.fleet)), ...(view.isSaving ? saving() : [])]
  return drawn.map((line) => line.slice(0, Math.max(1, columns - 1)))
}

/** The same in one line, for logs, but for the time. */
export const line = (view: DownloadProgress, moment: Moment): string => {
  const quota = Option.match(moment.quota, {
    onNone: () => unknownQuota,
    onSome: (status) => `${status.windows.map(used).join(", ")}, ${nextLink(moment.now, status)}`,
  })
  const ends = Option.match(moment.remaining, {
    onNone: () => "",
    onSome: (remaining) => `; ends about ${at(moment.now, remaining)}`,
  })
  const parts = [
    ...(view.fleet === undefined ? [] : [`machines ${machines(view.fleet).join("")}`]),
    ...(view.isSaving ? [`${results(view)}; quota ${quota}${ends}`] : []),
  ]
  return parts.join("; ")
}

/** How the quota stands, for who asks for nothing else. */
export const quota = (
  now: DateTime.Utc,
  status: QuotaRule.Status,
  forecast: Option.Option<{ readonly calls: number; readonly after: Duration.Duration }>,
): ReadonlyArray<string> => [
  ...status.windows.map(
    ({ duration, free, limit, nextSlot, used }) =>
      `${windowName(duration).padEnd(12)} ${Format.bar(used, limit, 20)}   ${Format.count(used)} of ${Format.count(limit)} used, ${
        free > 0 ? `${Format.count(free)} free` : `the next one at ${at(now, nextSlot)}`
      }`,
  ),
  nextLink(now, status),
  ...Option.match(forecast, {
    onNone: () => [],
    onSome: ({ after, calls }) => [
      `${Format.count(calls)} links: the last one ${Duration.isZero(after) ? "now" : `at ${at(now, after)}`}, if nobody else calls`,
    ],
  }),
]

/** How it ended, and what to do next. */
export const summary = (
  view: DownloadProgress,
  options: { readonly directory: string; readonly took: Duration.Duration; readonly isRemembered: boolean },
): ReadonlyArray<string> => {
  const { fleet, isSaving } = view
  const took = Format.duration(options.took)
  const lines = [
    ...(fleet === undefined ? [] : [`${sessionsSummary(fleet)} in ${took}.`]),
    ...(isSaving ? [`${savedSummary(view)} in ${took}.`] : []),
    ...(hasResults(view) ? [`The results are in ${options.directory}, listed in its manifest.jsonl.`] : []),
  ]
  return [
    ...lines.map((line, i) => (i === 0 && view.interrupted ? `Interrupted: ${line}` : line)),
    ...(fleet !== undefined && view.interrupted ? whatContinues(fleet) : []),
    ...(options.isRemembered ? whatIsNext(view) : fleet === undefined ? [] : whatGoesOn(fleet, view.interrupted)),
  ]
}

const hasResults = ({ isSaving, summary }: DownloadProgress): boolean =>
  isSaving && summary.completed + summary.skipped > 0

/** Whoever interrupts this program may mean the sessions as well. */
const whatContinues = (fleet: FleetProgress.FleetProgress): ReadonlyArray<string> => {
  const sessions = going(fleet)
  if (sessions === 0) return []
  return [
    `${Format.counted(sessions, "session")} ${sessions === 1 ? "continues" : "continue"} at the service. To cancel one: live-response actions cancel ID --comment TEXT; the ids are in live-response actions list --type LiveResponse --status Pending --status InProgress.`,
  ]
}

const savedSummary = ({ absent, notExtracted, summary }: DownloadProgress): string => {
  const { bytes, completed, failed, links, skipped } = summary
  const parts = [
    `${Format.count(completed)} downloaded (${Format.bytes(bytes)})`,
    ...(skipped === absent ? [] : [`${Format.count(skipped - absent)} were here already`]),
    ...(absent === 0 ? [] : [`${Format.count(absent)} without a result`]),
    ...(failed === 0 ? [] : [`${Format.count(failed)} failed`]),
    ...(notExtracted === 0 ? [] : [`${Format.count(notExtracted)} not unpacked`]),
  ]
  return `${parts.join(", ")}; ${Format.counted(links, "link")}`
}

/** Sessions that go on at the service, as far as is known. */
const going = ({ offline, running, sessions }: FleetProgress.FleetProgress): number =>
  running + offline.size + sessions.unfinished

const sessionsSummary = (fleet: FleetProgress.FleetProgress): string => {
  const { failed, notStarted, succeeded } = fleet.sessions
  const isBegun = succeeded + failed === 0 && going(fleet) > 0
  const parts = [
    isBegun ? `${Format.counted(going(fleet), "session")} begun` : `${Format.counted(succeeded, "session")} succeeded`,
    ...(failed === 0 ? [] : [`${Format.count(failed)} failed`]),
    ...(going(fleet) === 0 || isBegun ? [] : [`${Format.count(going(fleet))} not over yet`]),
  ]
  const rest = [
    ...(notStarted === 0 ? [] : [`; ${Format.counted(notStarted, "machine")} without a session`]),
    ...(FleetProgress.left(fleet) === 0 ? [] : [`; ${Format.counted(FleetProgress.left(fleet), "machine")} not tried`]),
  ]
  return `${parts.join(", ")}${rest.join("")}`
}

const whatIsNext = ({ fleet, interrupted, summary }: DownloadProgress): ReadonlyArray<string> => {
  const isMore = fleet !== undefined && going(fleet) + fleet.sessions.notStarted + FleetProgress.left(fleet) > 0
  const isWatching = interrupted && fleet !== undefined && going(fleet) > 0
  const next = isWatching
    ? "resumes watching them, and starts what is left"
    : "goes on where it stopped, and tries again what failed"
  return [
    ...(interrupted || summary.failed > 0 || isMore ? [`Run the same command again: it ${next}.`] : []),
    ...(fleet !== undefined && fleet.sessions.failed > 0
      ? ["Sessions that failed are not begun again, unless with --retry-failed."]
      : []),
  ]
}

/** Where nothing was remembered. */
const whatGoesOn = (fleet: FleetProgress.FleetProgress, isSaid: boolean): ReadonlyArray<string> => [
  ...(going(fleet) === 0 || isSaid ? [] : ["Sessions that are not over go on: see live-response actions list."]),
  ...(fleet.sessions.started === 0
    ? []
    : ["Nothing was remembered (--journal DIR): the same command again begins new sessions."]),
]
