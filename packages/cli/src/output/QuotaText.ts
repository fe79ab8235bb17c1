/**
 * The quota in words: its windows, when the next link can be requested, and what is in use.
 */
import type * as QuotaRule from "@live-response/core/QuotaRule"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Format from "./Format.ts"

/** What is shown if the store of the quota can't be read. */
export const unknown = "unknown: the quota store does not answer"

/** A quota in words: that of links to results, or that of other calls of the API. */
export const nameOf = (api: string | undefined): string => {
  switch (api) {
    case undefined:
      return "the quota"
    case "GetPackageUri":
      return "the quota of links to investigation packages, 2 a minute and 120 an hour,"
    default:
      return `the quota of ${api}`
  }
}

const windowName = (window: Duration.Duration): string =>
  Duration.toMinutes(window) === 1
    ? "this minute"
    : Duration.toHours(window) === 1
      ? "this hour"
      : `in any ${Duration.toSeconds(window) < 60 ? `${Duration.toSeconds(window)} s` : Format.duration(window)}`

/** 100/100 this minute */
export const used = ({ duration, limit, used }: QuotaRule.WindowStatus): string =>
  `${Format.count(used)}/${Format.count(limit)} ${windowName(duration)}`

/** next link at 14:05:09 UTC+1 (in 42 s) */
export const nextLink = (now: DateTime.Utc, { nextSlot }: QuotaRule.Status): string =>
  Duration.isZero(nextSlot) ? "next link now" : `next link at ${Format.instantAfter(now, nextSlot)}`

/** How long it takes until the last of a number of further calls. */
export interface Forecast {
  readonly calls: number
  readonly after: Duration.Duration
}

/** The lines that `live-response quota` prints. */
export const lines = (
  now: DateTime.Utc,
  status: QuotaRule.Status,
  forecast: Option.Option<Forecast>,
): ReadonlyArray<string> => [
  ...status.windows.map(
    ({ duration, free, limit, nextSlot, used }) =>
      `${windowName(duration).padEnd(12)} ${Format.bar(used, limit, 20)}   ${Format.count(used)} of ${Format.count(limit)} used, ${
        free > 0 ? `${Format.count(free)} free` : `the next one at ${Format.instantAfter(now, nextSlot)}`
      }`,
  ),
  nextLink(now, status),
  ...Option.match(forecast, {
    onNone: () => [],
    onSome: ({ after, calls }) => [
      `${Format.counted(calls, "link")}: the last one ${Duration.isZero(after) ? "now" : `at ${Format.instantAfter(now, after)}`}, if no other program requests links`,
    ],
  }),
]
