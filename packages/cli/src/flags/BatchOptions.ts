/**
 * Flags for how results are downloaded: concurrency, limits, rate, unpacking and patience. `download` and `run` have them.
 */
import * as DownloadLimits from "@live-response/core/DownloadLimits"
import * as Extraction from "@live-response/core/Extraction"
import type { BatchOptions } from "@live-response/core/LiveResponse"
import { batchGiveUpAfter } from "@live-response/core/Timing"
import type * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CommandLine from "./CommandLine.ts"
import * as Connection from "./Connection.ts"
import * as FlagTypes from "./FlagTypes.ts"
import * as Notify from "./Notify.ts"

const { defaultConcurrency, defaultMinFree, defaults } = DownloadLimits

const gigabytes = (bytes: number): string => (Number.isFinite(bytes) ? `${bytes / 1e9} GB` : "unlimited")

export const flags = {
  concurrency: FlagTypes.wholeNumber("concurrency", 1, 256).pipe(
    Flag.withAlias("j"),
    Flag.optional,
    FlagTypes.describe("How many results are downloaded at once", {
      values: FlagTypes.range(1, 256),
      default: defaultConcurrency,
    }),
  ),
  extract: FlagTypes.toggle(
    "extract",
    "Also unpack collected files (gzip), as <index>.unpacked beside the original file",
  ),
  maxExtract: FlagTypes.size("max-extract", 1, "The largest size of one unpacked file", {
    default: gigabytes(Extraction.defaultLimits.maxBytes),
  }),
  maxExtractTotal: FlagTypes.size("max-extract-total", 1, "The largest size of all files that one run unpacks", {
    default: gigabytes(defaults.maxExtractTotal),
    env: "LIVE_RESPONSE_MAX_EXTRACT_TOTAL",
  }),
  maxBytes: FlagTypes.size("max-bytes", 1, "The largest result that is downloaded", {
    default: gigabytes(defaults.maxBytes),
    env: "LIVE_RESPONSE_MAX_BYTES",
  }),
  maxTotal: FlagTypes.size("max-total", 1, "Stop after one run has downloaded this much; the next run resumes", {
    default: gigabytes(defaults.maxTotal),
    env: "LIVE_RESPONSE_MAX_TOTAL",
  }),
  minFree: FlagTypes.size("min-free", 0, "How much disk space stays free", {
    default: `${gigabytes(defaultMinFree(Infinity))}, or 5 % of a disk smaller than 20 GB`,
    env: "LIVE_RESPONSE_MIN_FREE",
  }),
  limitRate: FlagTypes.size("limit-rate", 1000, "How many bytes a second all downloads receive together", {
    values: "such as 20M, at least 1 kB",
    default: "unlimited",
    env: "LIVE_RESPONSE_LIMIT_RATE",
  }),
  ...Connection.flags,
  notify: Notify.flag,
  giveUpAfter: FlagTypes.duration("give-up-after", "How long to wait for a network that is down", {
    default: `${Duration.format(batchGiveUpAfter)}, unlimited with --follow`,
  }),
}

export type Options = Command.Command.Config.Infer<typeof flags>

/** What is wrong with a combination of these flags, if anything is. */
export const problemOf = ({ extract }: Options): Effect.Effect<string | undefined> =>
  Effect.map(CommandLine.typed(extract ? [] : ["--max-extract", "--max-extract-total"]), ([flag]) =>
    flag === undefined ? undefined : `${flag} limits what --extract unpacks: add --extract`,
  )

/** The options of the library. What is not given is the library's default. */
export const batchOptions = (options: Options): BatchOptions => ({
  concurrency: Option.getOrUndefined(options.concurrency),
  giveUpAfter: Option.getOrUndefined(options.giveUpAfter),
  extract: options.extract
    ? {
        ...Extraction.defaultLimits,
        maxBytes: Option.getOrElse(options.maxExtract, () => Extraction.defaultLimits.maxBytes),
      }
    : undefined,
  limits: {
    maxBytes: Option.getOrUndefined(options.maxBytes),
    maxTotal: Option.getOrUndefined(options.maxTotal),
    minFree: Option.getOrUndefined(options.minFree),
    maxExtractTotal: Option.getOrUndefined(options.maxExtractTotal),
    bytesPerSecond: Option.getOrUndefined(options.limitRate),
  },
})
