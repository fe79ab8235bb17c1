/** How many bytes a batch has downloaded and unpacked in all. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { DownloadLimits } from "../DownloadLimits.ts"
import { ExtractionError } from "../Extraction.ts"
import { StoreError } from "../StoreError.ts"

interface Totals {
  downloaded: number
  extracted: number
}

export const make = (): Totals => ({ downloaded: 0, extracted: 0 })

/** The totals of the current batch. Outside a batch nothing is counted. */
export const BatchTotals = Context.Reference<Totals | undefined>("@live-response/core/internal/BatchTotals", {
  defaultValue: () => undefined,
})

/** Counts bytes before they are stored. Fails if the batch has downloaded more than `maxTotal`, which ends the batch. */
export const countDownloaded = Effect.fnUntraced(function* (bytes: number): Effect.fn.Return<void, StoreError> {
  const totals = yield* BatchTotals
  if (totals === undefined) return
  const { maxTotal } = yield* DownloadLimits
  totals.downloaded += bytes
  if (totals.downloaded <= maxTotal) return
  const detail = `${maxTotal} bytes were downloaded`
  return yield* new StoreError({ path: "this batch", problem: "TotalReached", detail })
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
