/** How many bytes a batch has downloaded and unpacked in all, and how fast it may download. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { DownloadLimits, type Limits } from "../DownloadLimits.ts"
import { ExtractionError } from "../Extraction.ts"
import { StoreError } from "../StoreError.ts"
import { monotonicMillisUnsafe } from "./monotonic.ts"
import * as TokenBucket from "./tokenBucket.ts"

interface Totals {
  downloaded: number
  extracted: number
  /** The time until which the rate of downloads is spent; none before the first bytes. */
  usedUpTo: number | undefined
}

export const make = (): Totals => ({ downloaded: 0, extracted: 0, usedUpTo: undefined })

/** The totals of the current batch. Outside a batch nothing is counted. */
export const BatchTotals = Context.Reference<Totals | undefined>("@live-response/core/internal/BatchTotals", {
  defaultValue: () => undefined,
})

/** Counts bytes before they are stored. Fails if the batch has downloaded more than `maxTotal`, which ends the batch. */
export const countDownloaded = (bytes: number): Effect.Effect<void, StoreError> =>
  Effect.flatMap(BatchTotals, (totals) =>
    totals === undefined
      ? Effect.void
      : Effect.flatMap(DownloadLimits, (limits) => addDownloaded(totals, bytes, limits)),
  )

const addDownloaded = (totals: Totals, bytes: number, { maxTotal }: Limits): Effect.Effect<void, StoreError> => {
  totals.downloaded += bytes
  if (totals.downloaded <= maxTotal) return Effect.void
  const detail = `${maxTotal} bytes were downloaded`
  return Effect.fail(new StoreError({ path: "this batch", problem: "TotalReached", detail }))
}

/** Waits until more bytes may be read, after these were. All downloads of a batch share its rate. */
export const pace = (bytes: number): Effect.Effect<void> =>
  Effect.flatMap(DownloadLimits, ({ bytesPerSecond }) =>
    Number.isFinite(bytesPerSecond) ? paceAt(bytesPerSecond, bytes) : Effect.void,
  )

const paceAt = Effect.fnUntraced(function* (bytesPerSecond: number, bytes: number): Effect.fn.Return<void> {
  const totals = yield* BatchTotals
  if (totals === undefined) return
  const now = monotonicMillisUnsafe(yield* Clock.Clock)
  const { usedUpTo, wait } = TokenBucket.take(totals.usedUpTo ?? now, now, bytes, bytesPerSecond)
  totals.usedUpTo = usedUpTo
  if (wait > 0) yield* Effect.sleep(Duration.millis(wait))
})

/** Counts unpacked bytes. Fails if the batch has unpacked more than `maxExtractTotal`. */
export const countExtracted = Effect.fnUntraced(function* (bytes: number): Effect.fn.Return<void, ExtractionError> {
  const totals = yield* BatchTotals
  if (totals === undefined) return
  const { maxExtractTotal } = yield* DownloadLimits
  totals.extracted += bytes
  if (totals.extracted <= maxExtractTotal) return
  const description = `more than ${maxExtractTotal} bytes come out of the files of this batch`
  return yield* new ExtractionError({ problem: "TooLarge", description })
})
