/**
 * Downloads live response results: one, or a stream of thousands.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Counter, Histogram } from "effect/Metric"
import type { Stream } from "effect/Stream"
import type { BatchError } from "./BatchError.ts"
import type { BatchEvent } from "./BatchEvent.ts"
import * as DownloadLimits from "./DownloadLimits.ts"
import type * as Extraction from "./Extraction.ts"
import * as Batch from "./internal/batch.ts"
import * as KeyedLock from "./internal/keyedLock.ts"
import * as ResultDownload from "./internal/resultDownload.ts"
import * as ResultMetrics from "./internal/resultMetrics.ts"
import { Manifest } from "./Manifest.ts"
import { Quota } from "./Quota.ts"
import type { ResultRef } from "./ResultRef.ts"
import { ResultStore, type StoredResult } from "./ResultStore.ts"
import * as ScriptResult from "./ScriptResult.ts"
import type { StoreError } from "./StoreError.ts"
import { batchGiveUpAfter } from "./Timing.ts"
import { type DownloadError, Transfer } from "./Transfer.ts"

/**
 * How long a batch waits for a network that is gone by default: one hour.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultGiveUpAfter: Duration.Duration = batchGiveUpAfter

/**
 * @since 0.1.0
 * @category options
 */
export interface BatchOptions {
  /** How many results are downloaded at once. By default `DownloadLimits.defaultConcurrency`. */
  readonly concurrency?: number | undefined

  /**
   * Also unpacks gzip files within these limits, as `<index>.unpacked` beside the file. The name inside the file is not
   * used, because the machine chose it. By default nothing is unpacked.
   */
  readonly extract?: Extraction.Limits | undefined

  /** How much may be downloaded and unpacked. Replaces some of the `DownloadLimits` in context. */
  readonly limits?: DownloadLimits.Choice | undefined

  /**
   * Downloads a result again if the stream names it again after it has finished. By default a result that was named before
   * is skipped, and every result is remembered as long as the batch runs.
   */
  readonly again?: boolean | undefined

  /**
   * How long the batch waits if the API, the sign-in server or the storage can't be reached. Then it fails with
   * `BatchError.NetworkDown`. By default `defaultGiveUpAfter`. Meanwhile one call at a time tries to connect, as `Timing.outage` says, with an event for
   * each attempt.
   */
  readonly giveUpAfter?: Duration.Input | undefined

  /**
   * Stops the batch in order when it returns: downloads in progress are interrupted, and the stream ends after the events of
   * all results that were stored, and the summary. A reader that is interrupted misses the events of results that were
   * being completed at that moment. By default the batch ends with `refs`.
   */
  readonly stop?: Effect.Effect<void> | undefined
}

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /** The bytes of a result as they arrive. See `Transfer.bytes`. */
  readonly bytes: (ref: ResultRef) => Stream<Uint8Array, DownloadError>

  /**
   * The result of a script, decoded as it arrives.
   *
   * **Gotchas**
   *
   * By default all output is in memory, which may be hundreds of megabytes. `limit` bounds it, in characters.
   */
  readonly script: (
    ref: ResultRef,
    options?: ScriptResult.DecodeStreamOptions,
  ) => Effect.Effect<ScriptResult.Excerpt, DownloadError | ScriptResult.ScriptResultError>

  /**
   * Downloads a result into the store, and resumes what an earlier download left.
   *
   * **Gotchas**
   *
   * The manifest is neither read nor written: a stored result is downloaded again, also by a batch. Use `saveAll` for results that
   * later runs skip.
   */
  readonly save: (ref: ResultRef) => Effect.Effect<StoredResult, DownloadError | StoreError>

  /**
   * Downloads all results into the store, and emits what happens as events.
   *
   * **Details**
   *
   * - The last event is the summary, also before a failure.
   * - Results that the manifest has are skipped.
   * - A result that another batch of this service downloads at the moment is waited for, and skipped if that succeeds.
   * - A result that fails is an event. The stream fails only with an error that concerns every result.
   * - `refs` is pulled as results are needed, so a stream of a million uses no more memory than a list of ten.
   *
   * @example
   * ```ts
   * import { LiveResponse } from "@live-response/core/LiveResponse"
   * import type { ResultRef } from "@live-response/core/ResultRef"
   * import * as Effect from "effect/Effect"
   * import * as Stream from "effect/Stream"
   *
   * export const failures = (refs: ReadonlyArray<ResultRef>) =>
   *   LiveResponse.use((live) =>
   *     live.saveAll(Stream.fromIterable(refs), { concurrency: 4 }).pipe(
   *       Stream.filter((event) => event.event === "failed"),
   *       Stream.runForEach((event) => Effect.logError(event.message)),
   *     ),
   *   )
   * ```
   */
  readonly saveAll: <E, R>(
    refs: Stream<ResultRef, E, R>,
    options?: BatchOptions,
  ) => Stream<BatchEvent, BatchError | E, R>
}

/**
 * Downloads live response results. It is the entry point of this library.
 *
 * @since 0.1.0
 * @category services
 */
export class LiveResponse extends Context.Service<LiveResponse, Service>()("@live-response/core/LiveResponse") {}

/**
 * The metrics of results.
 *
 * **Details**
 *
 * | Metric                          | Kind      | Unit | Attribute                                |
 * | ------------------------------- | --------- | ---- | ---------------------------------------- |
 * | `live_response.results`         | counter   |      | `outcome`: completed, failed or skipped  |
 * | `live_response.bytes`           | counter   | By   |                                          |
 * | `live_response.links`           | counter   |      |                                          |
 * | `live_response.retries`         | counter   |      | `cause`: the tag of the error's reason   |
 * | `live_response.result.duration` | histogram | s    |                                          |
 *
 * `bytes` counts bytes that were received, also those that a transfer receives twice. `duration` is that of results that
 * were completed or failed.
 *
 * @since 0.1.0
 * @category metrics
 */
export const metrics: {
  readonly results: Counter<number>
  readonly bytes: Counter<number>
  readonly links: Counter<number>
  readonly retries: Counter<number>
  readonly duration: Histogram<Duration.Duration>
} = ResultMetrics.metrics

/**
 * Makes the service.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, Transfer | ResultStore | Manifest | Quota> = Effect.gen(function* () {
  const transfer = yield* Transfer
  const services = {
    transfer,
    store: yield* ResultStore,
    manifest: yield* Manifest,
    quota: yield* Quota,
    // Batches that run at the same time, such as a run and what follows its tenant, may name the same result.
    hold: KeyedLock.make(),
  }
  return {
    bytes: transfer.bytes,
    script: Effect.fn("LiveResponse.script")((ref, options) =>
      ScriptResult.decodeStream(transfer.bytes(ref), { limit: Infinity, ...options }),
    ),
    save: (ref) => ResultMetrics.countedAlone(ResultDownload.download(services, ref)),
    saveAll: (refs, options) =>
      Batch.run(services, refs, {
        concurrency: options?.concurrency ?? DownloadLimits.defaultConcurrency,
        extract: options?.extract,
        limits: options?.limits ?? {},
        again: options?.again === true,
        giveUpAfter: Duration.fromInputUnsafe(options?.giveUpAfter ?? defaultGiveUpAfter),
        stop: options?.stop ?? Effect.never,
      }),
  }
})

/**
 * The service over the transfer, the store, the manifest and the quota in context.
 *
 * **Gotchas**
 *
 * It is a constant like `Transfer.layer` and most others, and Effect builds a constant once for a whole program. A program with several
 * tenants wraps the layers of each in `Layer.fresh`, or else the second tenant gets the services of the first.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<LiveResponse, never, Transfer | ResultStore | Manifest | Quota> = Layer.effect(
  LiveResponse,
  make,
)
