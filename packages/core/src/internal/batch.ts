/** A batch: many results, one stream of events. */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { BatchError } from "../BatchError.ts"
import * as BatchEvent from "../BatchEvent.ts"
import * as DownloadLimits from "../DownloadLimits.ts"
import type * as Extraction from "../Extraction.ts"
import type { Service as Quota } from "../Quota.ts"
import { Reporter, reportNow } from "../Reporter.ts"
import * as ResultEvent from "../ResultEvent.ts"
import type { ResultRef } from "../ResultRef.ts"
import * as BatchTargets from "./batchTargets.ts"
import * as BatchTotals from "./batchTotals.ts"
import * as ApiEndpoints from "./apiEndpoints.ts"
import * as CircuitBreaker from "./circuitBreaker.ts"
import { Patience } from "./outagePatience.ts"
import * as ResultDownload from "./resultDownload.ts"

export interface Options {
  readonly concurrency: number
  readonly extract: Extraction.Limits | undefined
  readonly limits: DownloadLimits.Choice
  readonly again: boolean
  readonly giveUpAfter: Duration.Duration
  readonly stop: Effect.Effect<void>
}

/** A batch in progress. */
interface Batch {
  readonly services: ResultDownload.Services
  readonly options: Options
  readonly send: (event: BatchEvent.BatchEvent) => Effect.Effect<void>
  readonly breaker: CircuitBreaker.CircuitBreaker
  /** The results that were named so far. */
  readonly seen: Set<string>
  summary: BatchEvent.Summary
}

/** Shorter waits for the quota are not reported. */
const shortestWait = Duration.seconds(1)

/**
 * Sends events to a queue. Waiting for space stays interruptible, because the reader may have left. An event whose wait was
 * interrupted is one of `late`: the reader may as well be slow, and the event that of a stored result.
 */
const sendTo =
  <E>(queue: Queue.Enqueue<BatchEvent.BatchEvent, E>, late: Array<BatchEvent.BatchEvent>) =>
  (event: BatchEvent.BatchEvent): Effect.Effect<void> =>
    Queue.offerUnsafe(queue, event)
      ? Effect.void
      : Effect.interruptible(Effect.asVoid(Queue.offer(queue, event))).pipe(
          Effect.onInterrupt(() => Effect.sync(() => late.push(event))),
        )

/** Counts an event in the summary, lets the circuit breaker learn from it, and sends it. */
const emit =
  (batch: Batch) =>
  (event: BatchEvent.BatchEvent): Effect.Effect<void> =>
    Effect.suspend(() => {
      batch.summary = BatchEvent.tally(batch.summary, event)
      if (event.event === "linked") batch.breaker.permitted()
      if (event.event === "offline" && event.error._tag !== "TransferError") batch.breaker.targets.isApiGone = true
      return batch.send(event)
    })

const emitWaits = (batch: Batch, quota: Quota) =>
  quota.pauses.pipe(
    Stream.filter(ApiEndpoints.isOfLinks),
    Stream.filter(({ duration }) => Duration.isGreaterThanOrEqualTo(duration, shortestWait)),
    Stream.runForEach(({ api, duration }) =>
      Effect.flatMap(DateTime.now, (at) =>
        emit(batch)(
          BatchEvent.Waiting.make({
            at,
            until: DateTime.addDuration(at, duration),
            ...(api === undefined ? {} : { api }),
          }),
        ),
      ),
    ),
  )

const runResult = Effect.fnUntraced(function* (
  { breaker, options, seen, services }: Batch,
  ref: ResultRef,
): Effect.fn.Return<void, BatchError> {
  const key = String(ref)
  if (seen.has(key)) {
    return yield* reportNow((at) => ResultEvent.Skipped.make({ at, ...ref, reason: "duplicate" }))
  }
  seen.add(key)
  breaker.targets.start(key)
  const finished = yield* ResultDownload.downloadInBatch(services, ref, { breaker, extract: options.extract })
  breaker.targets.finish(key)
  if (options.again) seen.delete(key)
  if (finished === undefined) return
  const outage = breaker.outage(finished.event === "failed" ? finished.error : undefined)
  if (outage !== undefined) return yield* outage
})

/** A result adds services to these some twenty times, and each ninth addition would copy all of them. */
const flattened = <R>(context: Context.Context<R>): Context.Context<R> =>
  Context.makeUnsafe(new Map(context.mapUnsafe), { maxDepth: 32 })

const runResults = <E, R>(
  batch: Batch,
  refs: Stream.Stream<ResultRef, E, R>,
): Effect.Effect<void, BatchError | E, R> => {
  const { breaker, options } = batch
  return refs.pipe(
    Stream.mapEffect((ref) => runResult(batch, ref), { concurrency: options.concurrency, unordered: true }),
    Stream.runDrain,
    Effect.updateContext((context: Context.Context<R>) => flattened(context)),
    // The stream of targets may have waited for the API as well.
    Effect.mapError((error): BatchError | E => CircuitBreaker.gaveUp(error) ?? error),
    Effect.withSpan("LiveResponse.saveAll", undefined, { captureStackTrace: false }),
    Effect.provideService(Reporter, emit(batch)),
    Effect.provideService(BatchTargets.Current, breaker.targets),
    Effect.provideService(BatchTotals.BatchTotals, BatchTotals.make()),
    Effect.provideService(Patience, options.giveUpAfter),
    DownloadLimits.provide(options.limits),
  )
}

/** Downloads all results. The summary is the last event, also before a failure. */
export const run = <E, R>(
  services: ResultDownload.Services & { readonly quota: Quota },
  refs: Stream.Stream<ResultRef, E, R>,
  options: Options,
): Stream.Stream<BatchEvent.BatchEvent, BatchError | E, R> =>
  Stream.callback<BatchEvent.BatchEvent, BatchError | E, R>(
    Effect.fnUntraced(function* (queue) {
      const late: Array<BatchEvent.BatchEvent> = []
      const batch: Batch = {
        services,
        options,
        send: sendTo(queue, late),
        breaker: CircuitBreaker.make(),
        seen: new Set(),
        summary: BatchEvent.emptySummary,
      }
      const waits = yield* Effect.forkScoped(emitWaits(batch, services.quota), { startImmediately: true })
      const exit = yield* Effect.exit(Effect.raceFirst(runResults(batch, refs), options.stop))
      // No event follows the summary, even if other programs wait for the quota.
      yield* Fiber.interrupt(waits)
      yield* Queue.offerAll(queue, late)
      const at = yield* DateTime.now
      yield* Queue.offer(queue, BatchEvent.Summary.make({ ...batch.summary, at }))
      yield* exit
      yield* Queue.end(queue)
    }),
    { bufferSize: 64, strategy: "suspend" },
  )
