/**
 * Events of a batch as lines for whoever looks into how it works: with `--verbose`.
 */
import type { BatchEvent } from "@live-response/core/BatchEvent"
import type { Completed } from "@live-response/core/ResultEvent"
import * as Format from "./Format.ts"

/** A line, where there is one. It holds no link: events have none. */
export const line = (event: BatchEvent): string | undefined => {
  switch (event.event) {
    case "linked":
      return `${keyOf(event)}: ${event.links === 1 ? "link created" : `link renewed (link ${event.links})`}`
    case "progress":
      return `${keyOf(event)}: ${Format.bytes(event.bytes)}${event.total === undefined ? "" : ` of ${Format.bytes(event.total)}`}`
    case "retrying":
      return `retry in ${Format.duration(event.delay)}: ${event.message}`
    case "completed":
      return `${keyOf(event)}: completed, ${Format.count(event.bytes)} bytes, ${Format.counted(event.links, "link")}, ${Format.counted(event.attempts, "attempt")}`
    case "skipped":
      return `${keyOf(event)}: skipped, ${event.reason}`
    case "extracted":
      return `${keyOf(event)}: extracted, ${Format.count(event.bytes)} bytes`
    case "waiting":
      return `the quota is used up until ${Format.timeOfDay(event.until)}`
    case "failed":
    case "notExtracted":
    case "offline":
    case "summary":
      return undefined
  }
}

/** A result that has arrived, for whoever follows them. */
export const arrived = (event: Completed): string =>
  `${Format.dateAndTime(event.at)}  ${event.path}  ${Format.bytes(event.bytes)}`

const keyOf = (event: { readonly machineActionId: string; readonly index: number }): string =>
  `${event.machineActionId}:${event.index}`
