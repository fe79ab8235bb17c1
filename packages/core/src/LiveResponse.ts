/**
 * Live response results, as a program wants them: one, or a stream of thousands.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as FileName from "./FileName.ts"
import type { BatchError } from "./BatchError.ts"
import * as BatchEvent from "./BatchEvent.ts"
import * as DownloadLimits from "./DownloadLimits.ts"
import * as Extraction from "./Extraction.ts"
import { DefectError } from "./DefectError.ts"
import * as CircuitBreaker from "./internal/circuitBreaker.ts"
import * as BatchTargets from "./internal/batchTargets.ts"
import * as BatchTotals from "./internal/batchTotals.ts"
import { ofBatch, Patience } from "./internal/patience.ts"
import { foreignText, redact } from "./internal/foreignText.ts"
import { Manifest } from "./Manifest.ts"
import { Quota } from "./Quota.ts"
import { type Report, Reporter } from "./Reporter.ts"
import type { ResultRef } from "./ResultRef.ts"
import { ResultStore, type StoredResult } from "./ResultStore.ts"
import * as ScriptResult from "./ScriptResult.ts"
import { StoreError } from "./StoreError.ts"
import { type DownloadError, Transfer } from "./Transfer.ts"

/**
 * @since 0.1.0
 * @category options
 */
export interface BatchOptions {
  /** How many results are under way at once. By default 8. */
  readonly concurrency?: number | undefined

  /**
   * Also unpacks what is gzip, within these limits, as `<index>.unpacked` beside it. The name inside of it is the
   * machine's choice, and is not used. By default nothing is unpacked.
   */
  readonly extract?: Extraction.Limits | undefined

  /** How much may be downloaded and unpacked, and what stays free on the disk; over `DownloadLimits` in context. */
  readonly limits?: DownloadLimits.Choice | undefined

  /**
   * A target that is over may come again, and is looked at anew. By default one that comes twice is skipped, and each is
   * remembered for as long as the batch goes.
   */
  readonly again?: boolean | undefined

  /**
   * How long the batch waits where no connection can be made to the API, the sign-in server or the storage: then it ends
   * with `Outage`. By default one hour. Meanwhile one call at a time tries it, as `Timing.outage` says, with an event
   * for each attempt.
   */
  readonly giveUpAfter?: Duration.Input | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** A result's bytes as they come. See `Transfer.bytes`. */
  readonly bytes: (ref: ResultRef) => Stream.Stream<Uint8Array, DownloadError>

  /**
   * A script's result, decoded as it comes. By default all of its output is there; where that may be hundreds of
   * megabytes, `limit` is how many characters of it are kept in memory.
   */
  readonly script: (
    ref: ResultRef,
    options?: ScriptResult.DecodeStreamOptions,
  ) => Effect.Effect<ScriptResult.Excerpt, DownloadError | ScriptResult.ScriptResultError>

  /** Downloads a result into the store, and goes on with what an earlier download left. */
  readonly save: (ref: ResultRef) => Effect.Effect<StoredResult, DownloadError | StoreError>

  /**
   * Downloads all results into the store and tells what happens as events; the last one is the summary. Targets are
   * taken as they are needed, so a stream of a million is as good as a list of ten. What the manifest has is skipped.
   *
   * A target that fails is an event. The stream fails only with what fails every target, after a summary all the same.
   */
  readonly saveAll: <E, R>(
    refs: Stream.Stream<ResultRef, E, R>,
    options?: BatchOptions,
  ) => Stream.Stream<BatchEvent.BatchEvent, BatchError | E, R>
}

/**
 * The face of this library.
 *
 * @since 0.1.0
 * @category services
 */
export class LiveResponse extends Context.Service<LiveResponse, Service>()("@live-response/core/LiveResponse") {}

/** Shorter pauses are not worth an event. */
const shortestPause = Duration.seconds(1)

/** An event that happens now. */
const now = <A>(event: (at: DateTime.Utc) => A) => Effect.map(DateTime.now, event)

const isOfResult = (error: { readonly _tag: string }): error is StoreError & { readonly ofResult: true } =>
  error instanceof StoreError && error.ofResult === true

/**
 * Makes the service.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, Transfer | ResultStore | Manifest | Quota> = Effect.gen(function* () {
  const transfer = yield* Transfer
  const store = yield* ResultStore
  const manifest = yield* Manifest
  const quota = yield* Quota

  const script: Service["script"] = Effect.fn("LiveResponse.script")((ref, options) =>
    ScriptResult.decodeStream(transfer.bytes(ref), { limit: Infinity, ...options }),
  )

  const saveWith = Effect.fn("LiveResponse.save")(function* (ref: ResultRef, received: () => void = () => {}) {
    const writer = yield* store.open(ref)
    yield* Stream.runForEach(transfer.chunks(ref, writer.resume), (chunk) => {
      received()
      return Effect.andThen(BatchTotals.download(chunk.bytes.length), writer.write(chunk))
    }).pipe(
      // It can't ever be completed within the limit, so that nothing of it is worth its space.
      Effect.tapErrorTag("TransferError", ({ reason }) => (reason._tag === "TooLarge" ? writer.discard : Effect.void)),
    )
    return yield* writer.complete
  }, Effect.scoped)

  const findPresent = Effect.fnUntraced(function* (ref: ResultRef) {
    const outcome = Option.getOrUndefined(yield* manifest.find(ref))
    if (outcome?.status !== "completed") return undefined
    const path = FileName.ofResult(ref, outcome.kind)
    return (yield* store.has({ path, bytes: outcome.bytes })) ? { path } : undefined
  })

  /** Unpacks a file that is there, unless that was done before. What it fails with is told. */
  const extract = Effect.fnUntraced(function* (ref: ResultRef, path: string, limits: Extraction.Limits, tell: Report) {
    if (FileName.kindOf(ref, path) !== "gz") return
    const unpacked = FileName.ofResult(ref, "unpacked")
    const notExtracted = (error: BatchEvent.NotExtracted["error"]) =>
      now((at) => BatchEvent.NotExtracted.make({ at, ...ref, path, message: `${path}: ${error.message}`, error }))
    const bytes = Extraction.gunzip(store.read(path), limits, { name: path }).pipe(
      Stream.tap(({ length }) => BatchTotals.extract(length)),
    )
    const unpack = store
      .keep(unpacked, bytes)
      .pipe(Effect.flatMap((bytes) => now((at) => BatchEvent.Extracted.make({ at, ...ref, path: unpacked, bytes }))))
    yield* Effect.gen(function* () {
      if (!(yield* store.has({ path: unpacked }))) yield* tell(yield* unpack)
    }).pipe(
      Effect.catchTag("ExtractionError", (error) => Effect.flatMap(notExtracted(error), tell)),
      Effect.catchIf(isOfResult, (error) => Effect.flatMap(notExtracted(error), tell)),
    )
  })

  /** One target of a batch: everything that happens to it is told, and only what fails every target is a failure. */
  const saveTold = Effect.fnUntraced(function* (
    ref: ResultRef,
    limits: Extraction.Limits | undefined,
    { gaveUp, isEndedBy, received }: CircuitBreaker.CircuitBreaker,
    tell: Report,
  ) {
    const found = yield* Effect.result(findPresent(ref))
    if (Result.isFailure(found)) {
      const error = found.failure
      if (!isOfResult(error)) return yield* error
      // Without a line in the manifest, where the record of the result stays.
      const ended = yield* now((at) =>
        BatchEvent.Failed.make({ at, ...ref, message: error.message, error, links: 0, attempts: 0 }),
      )
      yield* tell(ended)
      return ended
    }
    const present = found.success
    if (present !== undefined) {
      yield* tell(yield* now((at) => BatchEvent.Skipped.make({ at, ...ref, reason: "present" })))
      if (limits !== undefined) yield* extract(ref, present.path, limits, tell)
      return undefined
    }
    let links = 0
    let attempts = 1
    const count: Report = (event) => {
      if (event.event === "linked") links = event.links
      if (event.event === "retrying" && event.error._tag === "TransferError") attempts++
      return tell(event)
    }
    const failed = (error: BatchEvent.ResultError) =>
      now((at) => BatchEvent.Failed.make({ at, ...ref, message: error.message, error, links, attempts }))
    const ended = yield* saveWith(ref, received).pipe(
      Effect.flatMap((stored) => now((at) => BatchEvent.Completed.make({ at, ...ref, ...stored, links, attempts }))),
      Effect.catch((error): Effect.Effect<BatchEvent.Failed, BatchError> => {
        const outage = gaveUp(error)
        if (outage !== undefined) return Effect.fail(outage)
        return isEndedBy(error) ? Effect.fail(error) : failed(error)
      }),
      // What came up with one result says nothing of the others.
      Effect.catchDefect((defect) =>
        Effect.andThen(
          Effect.logError(redact(Cause.pretty(Cause.die(defect)))),
          failed(new DefectError({ result: String(ref), description: foreignText(String(defect)) })),
        ),
      ),
      Effect.provideService(Reporter, count),
    )
    // What is on disk is reported, also where another target ends the batch meanwhile, or the manifest can't be written.
    yield* manifest.append(ended).pipe(Effect.ensuring(tell(ended)), Effect.uninterruptible)
    if (limits !== undefined && ended.event === "completed") yield* extract(ref, ended.path, limits, tell)
    return ended
  })

  const saveAll = <E, R>(
    refs: Stream.Stream<ResultRef, E, R>,
    options?: BatchOptions,
  ): Stream.Stream<BatchEvent.BatchEvent, BatchError | E, R> =>
    Stream.callback<BatchEvent.BatchEvent, BatchError | E, R>(
      Effect.fnUntraced(function* (queue) {
        let summary = BatchEvent.emptySummary
        const circuitBreaker = CircuitBreaker.make()
        const seen = new Set<string>()
        const tell = (event: BatchEvent.BatchEvent) =>
          Effect.suspend(() => {
            summary = BatchEvent.tally(summary, event)
            if (event.event === "linked") circuitBreaker.permitted()
            if (event.event === "offline" && event.error._tag !== "TransferError")
              circuitBreaker.targets.isApiGone = true
            // Interruptible where it waits alone: whoever listened may have left.
            return Queue.offerUnsafe(queue, event)
              ? Effect.void
              : Effect.interruptible(Effect.asVoid(Queue.offer(queue, event)))
          })
        const pauses = yield* quota.pauses.pipe(
          Stream.filter(Duration.isGreaterThanOrEqualTo(shortestPause)),
          Stream.runForEach((pause) =>
            Effect.flatMap(
              now((at) => BatchEvent.Waiting.make({ at, until: DateTime.addDuration(at, pause) })),
              tell,
            ),
          ),
          Effect.forkScoped({ startImmediately: true }),
        )

        const exit = yield* refs.pipe(
          Stream.mapEffect(
            (ref) => {
              const key = String(ref)
              if (seen.has(key)) {
                const skipped = now((at) => BatchEvent.Skipped.make({ at, ...ref, reason: "duplicate" }))
                return Effect.flatMap(skipped, tell)
              }
              seen.add(key)
              circuitBreaker.targets.start(key)
              return Effect.flatMap(saveTold(ref, options?.extract, circuitBreaker, tell), (ended) => {
                circuitBreaker.targets.finish(key)
                if (options?.again === true) seen.delete(key)
                const outage = ended && circuitBreaker.outage(ended.event === "failed" ? ended.error : undefined)
                return outage === undefined ? Effect.void : Effect.fail(outage)
              })
            },
            { concurrency: options?.concurrency ?? 8, unordered: true },
          ),
          Stream.runDrain,
          // Also where it is the targets that are looked for in vain.
          Effect.mapError((error): BatchError | E => CircuitBreaker.gaveUp(error) ?? error),
          Effect.provideService(Reporter, tell),
          Effect.provideService(BatchTargets.Current, circuitBreaker.targets),
          Effect.provideService(BatchTotals.BatchTotals, BatchTotals.make()),
          DownloadLimits.provide(options?.limits ?? {}),
          Effect.provideService(Patience, Duration.fromInputUnsafe(options?.giveUpAfter ?? ofBatch)),
          Effect.exit,
        )
        // Nothing comes behind the summary, also where others wait for the quota.
        yield* Fiber.interrupt(pauses)
        yield* Queue.offer(queue, yield* now((at) => BatchEvent.Summary.make({ ...summary, at })))
        yield* exit
        yield* Queue.end(queue)
      }),
      { bufferSize: 64, strategy: "suspend" },
    )

  return { bytes: transfer.bytes, script, save: (ref) => saveWith(ref), saveAll }
})

/**
 * The service over the transfer, the store, the manifest and the quota in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<LiveResponse, never, Transfer | ResultStore | Manifest | Quota> = Layer.effect(
  LiveResponse,
  make,
)
