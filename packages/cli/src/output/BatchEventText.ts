/**
 * Events of a batch in words: the lines on standard error, and those of `--verbose` and `--follow`.
 */
import type { BatchEvent } from "@live-response/core/BatchEvent"
import type { Completed } from "@live-response/core/ResultEvent"
import { keyOf } from "@live-response/core/ResultRef"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Format from "./Format.ts"
import { printable } from "./Printable.ts"
import * as QuotaText from "./QuotaText.ts"

/** Shorter delays before a retry are not worth a line. */
const longDelay = Duration.seconds(5)

/** The message on standard error; none for events that need no attention. With `--quiet`, only errors have one. */
export const message = (event: BatchEvent, { quiet }: { readonly quiet: boolean }): string | undefined => {
  switch (event.event) {
    case "failed":
      return `failed: ${printable(event.message)}`
    case "skipped":
      return event.reason === "absent"
        ? `${keyOf(event)} has no result: the API answered 404, and this program does not know the status of its command`
        : undefined
    case "notExtracted":
      return printable(event.message)
    case "retrying":
      return quiet || Duration.isLessThan(event.delay, longDelay)
        ? undefined
        : `retrying in ${Format.duration(event.delay)}: ${printable(event.message)}`
    case "offline":
      return quiet
        ? undefined
        : `waiting for the network: ${printable(event.message)}; next attempt at ${Format.timeOfDay(event.until)}${
            event.givesUpAt === undefined ? "" : ` (gives up at ${Format.timeOfDay(event.givesUpAt)}; --give-up-after)`
          }`
    case "completed":
      return event.unchecked === true
        ? `${keyOf(event)} is unchecked: the storage announced neither a length nor an MD5, so the result may be longer than the ${Format.bytes(event.bytes)} received; download it again into another directory and compare`
        : undefined
    case "waiting":
      // The progress shows the quota of links to results.
      return quiet || event.api === undefined
        ? undefined
        : `waiting for ${QuotaText.nameOf(event.api)} until ${Format.instantAfter(event.at, DateTime.distance(event.at, event.until))}`
    case "linked":
    case "progress":
    case "extracted":
    case "summary":
      return undefined
  }
}

/** The line of `--verbose`. It has no link: events have none. */
export const verbose = (event: BatchEvent): string | undefined => {
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
      return `${QuotaText.nameOf(event.api)} is used up until ${Format.timeOfDay(event.until)}`
    case "failed":
    case "notExtracted":
    case "offline":
    case "summary":
      return undefined
  }
}

/** The line of `--follow` for a downloaded result. */
export const downloaded = (event: Completed): string =>
  printable(`${Format.dateAndTime(event.at)}  ${event.path}  ${Format.bytes(event.bytes)}`)
