/**
 * The bytes of one result, across expired links and connections that break or stall.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DefenderApi } from "./DefenderApi.ts"
import * as BlobClient from "./internal/blobClient.ts"
import * as ResultBody from "./internal/resultBody.ts"
import { restartOnProgress, either, only } from "./internal/scheduleCombinators.ts"
import * as TransferFailure from "./internal/transferFailure.ts"
import { strongEtag, TransferState } from "./internal/transferState.ts"
import { reportNow } from "./Reporter.ts"
import type { ResultChunk, ResultHead, ResumePoint } from "./ResultChunk.ts"
import { Retrying } from "./ResultEvent.ts"
import type { ResultRef } from "./ResultRef.ts"
import { Timing } from "./Timing.ts"
import * as TransferError from "./TransferError.ts"

/**
 * Everything that a download can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type DownloadError = TransferFailure.DownloadError

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * The chunks of a result, each with its offset, starting at `resume` or at 0.
   *
   * **When to use**
   *
   * Use it to store a result yourself. `LiveResponse.save` stores it in the `ResultStore`.
   *
   * **Details**
   *
   * The stream ends only when every announced byte has arrived. An empty result is one empty chunk. If `resume` has every
   * byte, the stream is empty.
   *
   * **Gotchas**
   *
   * A transfer starts over if the stored result changed, or if the storage does not continue it. Then a chunk with offset 0
   * follows others, and replaces them.
   *
   * With `borrowed`, the bytes of a chunk may be read only until the next chunk is pulled. Then its memory is used again, and
   * the chunk becomes empty. That halves the CPU of a download in Node. Copy what you keep, and read nothing ahead.
   */
  readonly chunks: (
    ref: ResultRef,
    resume?: ResumePoint,
    options?: { readonly borrowed?: boolean | undefined },
  ) => Stream.Stream<ResultChunk, DownloadError>

  /**
   * The bytes of a result, each exactly once.
   *
   * **When to use**
   *
   * Use it to process a result that is not stored. What was emitted cannot be taken back, so the stream fails with reason
   * `Changed` if the transfer would have to start over with other content.
   *
   * @example
   * ```ts
   * import * as ResultRef from "@live-response/core/ResultRef"
   * import { Transfer } from "@live-response/core/Transfer"
   * import * as Schema from "effect/Schema"
   * import * as Stream from "effect/Stream"
   *
   * const ref = Schema.decodeSync(ResultRef.FromString)("988cc94e-7a8f-4b28-ab65-54970c5d5018:0")
   * export const size = Transfer.use((transfer) =>
   *   transfer.bytes(ref).pipe(Stream.runFold(() => 0, (sum, bytes) => sum + bytes.length)),
   * )
   * ```
   */
  readonly bytes: (ref: ResultRef) => Stream.Stream<Uint8Array, DownloadError>
}

/**
 * Downloads the bytes of results.
 *
 * @since 0.1.0
 * @category services
 */
export class Transfer extends Context.Service<Transfer, Service>()("@live-response/core/Transfer") {}

type ChunksPull = Pull.Pull<NonEmptyReadonlyArray<ResultChunk>, DownloadError>

/** A stream of one pull, without the operators of streams: most results are one chunk. */
const pulledStream = (open: (scope: Scope.Scope) => ChunksPull): Stream.Stream<ResultChunk, DownloadError> =>
  Stream.fromChannel(Channel.fromTransform((_, scope) => Effect.sync(() => open(scope))))

/**
 * The pull of an attempt, and that of `retried` once it fails: a schedule that no transfer needs would cost more than many a
 * transfer. The scope of the attempt closes before the next attempt starts.
 */
const onceItFails = (
  scope: Scope.Scope,
  attempt: Effect.Effect<ChunksPull, DownloadError, Scope.Scope>,
  retried: (error: DownloadError) => Stream.Stream<ResultChunk, DownloadError>,
): ChunksPull => {
  const first = Scope.forkUnsafe(scope)
  let current: ChunksPull | undefined
  let afterRetry: ChunksPull | undefined
  const open = Effect.flatMap(Scope.provide(attempt, first), (pull) => {
    current = pull
    return pull
  })
  const retry = (error: DownloadError): ChunksPull =>
    Effect.flatMap(Scope.provide(Stream.toPull(retried(error)), scope), (pull) => {
      afterRetry = pull
      return pull
    })
  const firstPull: ChunksPull = Pull.matchEffect(
    Effect.suspend(() => current ?? open),
    {
      onSuccess: Effect.succeed,
      onDone: Cause.done,
      onFailure: (cause) => {
        const error = Cause.findErrorOption(cause)
        const closed = Scope.close(first, Exit.failCause(cause))
        return Effect.flatMap(closed, () => (Option.isSome(error) ? retry(error.value) : Effect.failCause(cause)))
      },
    },
  )
  return Effect.suspend(() => afterRetry ?? firstPull)
}

/** Reports each retry of a schedule, with the delay before it. */
const reported = <O, E, R>(ref: ResultRef, schedule: Schedule.Schedule<O, DownloadError, E, R>) =>
  Schedule.tap(schedule, ({ duration, input }) =>
    reportNow((at) => Retrying.make({ at, ...ref, delay: duration, message: input.message, error: input })),
  )

/**
 * The bytes of chunks, without those that a transfer repeats when it starts over with the same content. With other content
 * the stream fails.
 */
const withoutRepeats = <E, R>(ref: ResultRef, chunks: Stream.Stream<ResultChunk, E, R>) =>
  Stream.suspend(() => {
    const emitted: { head: ResultHead | undefined; bytes: number } = { head: undefined, bytes: 0 }
    return chunks.pipe(
      Stream.mapEffect((chunk) => {
        const etag = strongEtag(emitted.head)
        const isSameContent = emitted.head === undefined || (etag !== undefined && etag === strongEtag(chunk.head))
        emitted.head ??= chunk.head
        if (chunk.offset < emitted.bytes && !isSameContent) {
          return Effect.fail(TransferFailure.make(ref, new TransferError.Changed({ offset: emitted.bytes })))
        }
        const bytes = chunk.bytes.subarray(Math.max(0, emitted.bytes - chunk.offset))
        emitted.bytes += bytes.length
        return Effect.succeed(bytes)
      }),
      Stream.filter((bytes) => bytes.length > 0),
    )
  })

/**
 * Makes the service. Requests to the storage carry no bearer token and no trace headers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, HttpClient.HttpClient | DefenderApi> = Effect.gen(function* () {
  const client = yield* BlobClient.make
  const timing = yield* Timing
  const { bytesPerSecond, over } = timing.minimumRate
  const stallLimits = {
    timeout: Duration.fromInputUnsafe(timing.stallTimeout),
    minimum: { bytesPerSecond, over: Duration.toMillis(Duration.fromInputUnsafe(over)) },
  }

  /** One attempt, whose connection closes with its scope. */
  const attempt = (transfer: TransferState, borrowed: boolean): Effect.Effect<ChunksPull, DownloadError, Scope.Scope> =>
    Effect.gen(function* () {
      if (transfer.isComplete) return Cause.done()
      // A scope of its own, because a stall closes the connection before the attempt ends.
      const connection = yield* Scope.fork(yield* Effect.scope)
      const { ifPage, read } = yield* Scope.provide(client.open(transfer, borrowed), connection)
      return yield* ResultBody.chunks({ transfer, bytes: yield* read, connection, ifPage, stallLimits })
    })

  /** What follows a first attempt that failed: waits and further attempts. */
  const retried = (transfer: TransferState, borrowed: boolean, error: DownloadError) => {
    let isFirst = true
    const next = Effect.suspend(() => {
      if (!isFirst) return attempt(transfer, borrowed)
      isFirst = false
      return Effect.fail(error)
    })
    const byError = only(either(timing.transfer, timing.busy, TransferFailure.isBusy), TransferFailure.isRetried)
    return Stream.unwrap(Effect.map(next, (pull) => Stream.fromPull(Effect.succeed(pull)))).pipe(
      Stream.retry(reported(transfer.ref, only(timing.link, TransferFailure.isLinkRefused))),
      Stream.retry(
        reported(
          transfer.ref,
          restartOnProgress(byError, () => transfer.advanced()),
        ),
      ),
    )
  }

  const chunks: Service["chunks"] = (ref, resume, options) =>
    pulledStream((scope) => {
      const transfer = new TransferState(ref, resume)
      const borrowed = options?.borrowed === true
      return onceItFails(scope, attempt(transfer, borrowed), (error) => retried(transfer, borrowed, error))
    })

  return { chunks, bytes: (ref) => withoutRepeats(ref, chunks(ref)) }
})

/**
 * The service over the `HttpClient` and the `DefenderApi` in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Transfer, never, HttpClient.HttpClient | DefenderApi> = Layer.effect(Transfer, make)
