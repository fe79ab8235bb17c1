/** How much a batch has downloaded and unpacked in all. */
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

/** Those of the batch in progress. Outside of one nothing is counted. */
export const BatchTotals = Context.Reference<Totals | undefined>("@live-response/core/internal/BatchTotals", {
  defaultValue: () => undefined,
})

/** Counts bytes before they are stored. It fails with what ends the batch, where they are more than it may download. */
export const download = Effect.fnUntraced(function* (bytes: number): Effect.fn.Return<void, StoreError> {
  const totals = yield* BatchTotals
  if (totals === undefined) return
  const { maxTotal } = yield* DownloadLimits
  totals.downloaded += bytes
  if (totals.downloaded <= maxTotal) return
  const detail = `${maxTotal} bytes were downloaded`
  return yield* new StoreError({ path: "this batch", problem: "TotalReached", detail })
})

/** Counts bytes that come out of a file. It fails where they are more than may come out of all of a batch's files. */
export const extract = Effect.fnUntraced(function* (bytes: number): Effect.fn.Return<void, ExtractionError> {
  const totals = yield* BatchTotals
  if (totals === undefined) return
  const { maxExtractTotal } = yield* DownloadLimits
  totals.extracted += bytes
  if (totals.extracted <= maxExtractTotal) return
  const description = `more than ${maxExtractTotal} bytes come out of the files of this batch`
  return yield* new ExtractionError({ problem: "TooLarge", description })
})
