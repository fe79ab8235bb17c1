/** Downloads one result: alone, or as a part of a batch. */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { BatchError } from "../BatchError.ts"
import { DefectError } from "../DefectError.ts"
import * as Extraction from "../Extraction.ts"
import * as FileName from "../FileName.ts"
import type { Service as Manifest } from "../Manifest.ts"
import { report, Reporter, reportNow } from "../Reporter.ts"
import type { ResultError } from "../ResultError.ts"
import * as ResultEvent from "../ResultEvent.ts"
import type { ActionResult, ResultRef } from "../ResultRef.ts"
import type { Service as ResultStore, StoredResult } from "../ResultStore.ts"
import { StoreError } from "../StoreError.ts"
import type { Service as Transfer } from "../Transfer.ts"
import * as BatchTotals from "./batchTotals.ts"
import { mayBorrow } from "./borrowing.ts"
import type { CircuitBreaker } from "./circuitBreaker.ts"
import type * as KeyedLock from "./keyedLock.ts"
import { foreignText, redact } from "./foreignText.ts"
import * as ResultMetrics from "./resultMetrics.ts"
import { inSpan } from "./span.ts"

export interface Services {
  readonly transfer: Transfer
  readonly store: ResultStore
  readonly manifest: Manifest
  readonly hold: KeyedLock.Hold
}

/** The links and downloads that a result needed so far. */
interface Counts {
  links: number
  attempts: number
}

const spanAttributes = (ref: ResultRef | ActionResult) => ({
  "live_response.action.id": ref.machineActionId,
  "live_response.command.index": ref.index,
  ...("machineId" in ref && ref.machineId !== undefined ? { "live_response.machine.id": ref.machineId } : {}),
})

/** Counts the links and attempts of a result by its events. The span of the result has the current attempt. */
const counting =
  (counts: Counts) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.updateService(effect, Reporter, (report) => (event) => {
      if (event.event === "linked") counts.links = event.links
      if (event.event !== "retrying" || event.error._tag !== "TransferError") return report(event)
      counts.attempts++
      return Effect.andThen(Effect.annotateCurrentSpan("live_response.attempt", counts.attempts), report(event))
    })

/** Whether an error concerns the files of one result alone. */
const isOfResult = (error: { readonly _tag: string }): error is StoreError & { readonly ofResult: true } =>
  error instanceof StoreError && error.ofResult === true

/** How a batch downloads: `onBytes` is called when bytes arrive, and what may be interrupted runs `interruptibly`. */
interface InBatch {
  readonly onBytes: () => void
  readonly interruptibly: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const alone: InBatch = { onBytes: () => {}, interruptibly: (effect) => effect }

/** The manifest finds a result by its name alone: under any other name it would be downloaded again by each run. */
const named = (ref: ResultRef, stored: StoredResult): Effect.Effect<StoredResult, StoreError> =>
  FileName.kindOf(ref, stored.path) === undefined
    ? Effect.fail(
        new StoreError({
          path: stored.path,
          problem: "Failed",
          detail: `the store gave ${ref} this name; name it with FileName.ofResult`,
        }),
      )
    : Effect.succeed(stored)

/** Downloads a result into the store, and resumes what an earlier download left. */
export const download = (
  { store, transfer }: Pick<Services, "store" | "transfer">,
  ref: ResultRef,
  counts: Counts = { links: 0, attempts: 1 },
  { interruptibly, onBytes }: InBatch = alone,
) =>
  Effect.gen(function* () {
    const writer = yield* interruptibly(store.open(ref))
    const chunks = transfer.chunks(ref, writer.resume, { borrowed: mayBorrow(writer) })
    yield* Stream.runForEach(chunks, (chunk) => {
      onBytes()
      // The writer may use the bytes up.
      const { length } = chunk.bytes
      return Effect.andThen(
        Effect.andThen(BatchTotals.countDownloaded(length), writer.write(chunk)),
        BatchTotals.pace(length),
      )
    }).pipe(
      // It can never be completed within the limit, so its bytes only use space.
      Effect.tapErrorTag("TransferError", ({ reason }) => (reason._tag === "TooLarge" ? writer.discard : Effect.void)),
      interruptibly,
    )
    return yield* named(ref, yield* writer.complete)
  }).pipe(
    Effect.scoped,
    counting(counts),
    ResultMetrics.timed,
    inSpan("LiveResponse.save", {
      attributes: { ...spanAttributes(ref), "live_response.attempt": counts.attempts },
    }),
  )

/** The path of a result that an earlier run stored, if the file is still there. */
const findStored = ({ manifest, store }: Services, ref: ResultRef): Effect.Effect<string | undefined, StoreError> =>
  Effect.flatMap(manifest.find(ref), (found) => {
    const outcome = Option.getOrUndefined(found)
    if (outcome?.status !== "completed") return Effect.succeed(undefined)
    const path = FileName.ofResult(ref, outcome.kind)
    return Effect.map(store.has({ path, bytes: outcome.bytes }), (isThere) => (isThere ? path : undefined))
  })

/**
 * Unpacks a stored file, unless it is not gzip or was unpacked before. What was unpacked before a file `isNew` is of another
 * content. A failure is reported.
 */
const extract = Effect.fnUntraced(function* (
  { store }: Services,
  ref: ResultRef,
  { isNew, path }: { readonly path: string; readonly isNew: boolean },
  limits: Extraction.Limits,
) {
  if (FileName.kindOf(ref, path) !== "gz") return
  const unpacked = FileName.ofResult(ref, "unpacked")
  const notExtracted = (error: ResultEvent.NotExtracted["error"]) =>
    reportNow((at) => ResultEvent.NotExtracted.make({ at, ...ref, path, message: `${path}: ${error.message}`, error }))
  const bytes = Extraction.gunzip(store.read(path), limits, { name: path }).pipe(
    Stream.tap(({ length }) => BatchTotals.countExtracted(length)),
  )
  yield* Effect.gen(function* () {
    if (!isNew && (yield* store.has({ path: unpacked }))) return
    const size = yield* store.write(unpacked, bytes)
    yield* reportNow((at) => ResultEvent.Extracted.make({ at, ...ref, path: unpacked, bytes: size }))
  }).pipe(Effect.catchTag("ExtractionError", notExtracted), Effect.catchIf(isOfResult, notExtracted))
})

/** Logs a defect, which concerns this result alone, and makes it an error. */
const toDefectError = Effect.fnUntraced(function* (ref: ResultRef, defect: unknown) {
  yield* Effect.logError(redact(Cause.pretty(Cause.die(defect))))
  return new DefectError({ result: String(ref), description: foreignText(String(defect)) })
})

/** Downloads a result. It fails only with an error that ends the batch; any other error becomes an event. */
const downloadToEvent = Effect.fnUntraced(function* (
  services: Services,
  ref: ResultRef,
  breaker: CircuitBreaker,
  interruptibly: InBatch["interruptibly"],
): Effect.fn.Return<ResultEvent.Completed | ResultEvent.Failed, BatchError> {
  const counts: Counts = { links: 0, attempts: 1 }
  const failed = (error: ResultError) =>
    Effect.map(DateTime.now, (at) => ResultEvent.Failed.make({ at, ...ref, message: error.message, error, ...counts }))
  return yield* download(services, ref, counts, { onBytes: () => breaker.received(), interruptibly }).pipe(
    Effect.flatMap((stored) =>
      Effect.map(DateTime.now, (at) => ResultEvent.Completed.make({ at, ...ref, ...stored, ...counts })),
    ),
    Effect.catch((error): Effect.Effect<ResultEvent.Failed, BatchError> => {
      const outage = breaker.gaveUp(error)
      if (outage !== undefined) return Effect.fail(outage)
      return breaker.isEndedBy(error) ? Effect.fail(error) : failed(error)
    }),
    Effect.catchDefect((defect) => Effect.flatMap(toDefectError(ref, defect), failed)),
  )
})

/** A second download of a result at the same time would ask for another link, and then find the result stored. */
const oneAtATime = <A, E, R>(effect: Effect.Effect<A, E, R>, { hold }: Services, ref: ResultRef) =>
  Effect.scopedWith((scope) => Effect.andThen(Scope.provide(hold(String(ref)), scope), effect))

/**
 * Downloads one result of a batch, unless an earlier run stored it, and reports how it finished. It fails only with an
 * error that ends the batch.
 */
export const downloadInBatch = Effect.fnUntraced(function* (
  services: Services,
  ref: ResultRef,
  options: { readonly breaker: CircuitBreaker; readonly extract: Extraction.Limits | undefined },
) {
  const found = yield* Effect.result(findStored(services, ref))
  if (Result.isFailure(found)) {
    const error = found.failure
    if (!isOfResult(error)) return yield* error
    // No line is appended to the manifest, where the record of the result stays.
    const at = yield* DateTime.now
    const failed = ResultEvent.Failed.make({ at, ...ref, message: error.message, error, links: 0, attempts: 0 })
    yield* report(failed)
    return failed
  }
  const stored = found.success
  if (stored !== undefined) {
    yield* reportNow((at) => ResultEvent.Skipped.make({ at, ...ref, reason: "present" }))
    if (options.extract !== undefined) {
      yield* extract(services, ref, { path: stored, isNew: false }, options.extract)
    }
    return undefined
  }
  // Completing, recording and reporting are one step: a stored result is recorded and reported even if Ctrl-C or another
  // result ends the batch meanwhile, and reported even if the manifest can't be written.
  const finished = yield* Effect.uninterruptibleMask((interruptibly) =>
    Effect.tap(downloadToEvent(services, ref, options.breaker, interruptibly), (finished) =>
      Effect.ensuring(services.manifest.append(finished), report(finished)),
    ),
  )
  if (finished.event === "completed" && options.extract !== undefined) {
    yield* extract(services, ref, { path: finished.path, isNew: true }, options.extract)
  }
  return finished
}, oneAtATime)
