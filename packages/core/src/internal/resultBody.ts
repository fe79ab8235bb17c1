/** The body of one answer of the storage, as chunks of the result. */
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { HttpClientError } from "effect/http/HttpClientError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DownloadLimits } from "../DownloadLimits.ts"
import { type ResultChunk, ResultHead } from "../ResultChunk.ts"
import { Progress } from "../ResultEvent.ts"
import { reportNow } from "../Reporter.ts"
import * as TransferError from "../TransferError.ts"
import { troubleOf } from "./connectionFailure.ts"
import { monotonicMillisUnsafe } from "./monotonic.ts"
import * as ResultMetrics from "./resultMetrics.ts"
import * as StallWatch from "./stallWatch.ts"
import * as TransferFailure from "./transferFailure.ts"
import { progressInterval } from "./progressInterval.ts"
import type { TransferState } from "./transferState.ts"

/** A body that is being read. */
interface Body {
  readonly transfer: TransferState
  readonly head: ResultHead
  readonly maxBytes: number
  readonly clock: Clock.Clock
  reportedAt: number
}

const progressEvent = (at: DateTime.Utc, { head, offset, ref }: TransferState) =>
  Progress.make({ at, ...ref, bytes: offset, ...(head?.length === undefined ? {} : { total: head.length }) })

/** What is wrong with a transfer that has come this far. */
const excess = ({ head, maxBytes, transfer }: Body): TransferError.TransferError | undefined => {
  if (head.length !== undefined && transfer.offset > head.length) return TransferFailure.tooLong(transfer, head.length)
  return transfer.offset > maxBytes ? TransferFailure.tooLarge(transfer.ref, maxBytes) : undefined
}

const reportProgress = (body: Body): Effect.Effect<void> => {
  const now = monotonicMillisUnsafe(body.clock)
  if (now - body.reportedAt < progressInterval) return Effect.void
  body.reportedAt = now
  return reportNow((at) => progressEvent(at, body.transfer))
}

/** Advances the transfer by the next bytes. */
const take = (body: Body, bytes: Uint8Array): Effect.Effect<ResultChunk, TransferError.TransferError> => {
  const { head, transfer } = body
  const chunk = { head, offset: transfer.offset, bytes }
  transfer.offset += bytes.length
  const error = excess(body)
  if (error !== undefined) return Effect.fail(error)
  return Effect.as(Effect.andThen(ResultMetrics.countBytes(bytes.length), reportProgress(body)), chunk)
}

/** Checks at the end of a body that all announced bytes arrived. An empty result is one empty chunk. */
const finish = ({ head, transfer }: Body): Stream.Stream<ResultChunk, TransferError.TransferError> => {
  if (head.length !== undefined && transfer.offset < head.length) {
    const description = `the body ended ${head.length - transfer.offset} bytes early`
    return Stream.fail(TransferFailure.broken(transfer, { description }))
  }
  return transfer.offset === 0 ? Stream.succeed({ head, offset: 0, bytes: new Uint8Array() }) : Stream.empty
}

/**
 * The chunks of a body, which continues the transfer where it stands. Each is passed on before the next one is pulled.
 * `connection` is closed if the body stalls.
 */
export const chunks = Effect.fnUntraced(function* (options: {
  readonly transfer: TransferState
  readonly bytes: Stream.Stream<Uint8Array, HttpClientError>
  readonly connection: Scope.Closeable
  readonly stallLimits: StallWatch.Limits
}): Effect.fn.Return<
  Stream.Stream<ResultChunk, TransferError.TransferError>,
  TransferError.TransferError,
  Scope.Scope
> {
  const { bytes, connection, stallLimits, transfer } = options
  const watch = yield* StallWatch.make(connection, transfer.pace, stallLimits)
  const { maxBytes } = yield* DownloadLimits
  const clock = yield* Clock.Clock
  const head = transfer.head ?? ResultHead.make({})
  if (head.length !== undefined && head.length > maxBytes) {
    return yield* TransferFailure.tooLarge(transfer.ref, maxBytes, head.length)
  }
  const body: Body = { transfer, head, maxBytes, clock, reportedAt: monotonicMillisUnsafe(clock) }
  return Stream.transformPull(bytes, (pull) => Effect.succeed(watch.during(pull))).pipe(
    Stream.mapError((error) => {
      const stall = watch.stall()
      return stall === undefined
        ? TransferFailure.broken(transfer, { description: troubleOf(error).description })
        : TransferFailure.make(transfer.ref, new TransferError.Stalled({ offset: transfer.offset, ...stall }))
    }),
    Stream.mapEffect((bytes) => take(body, bytes)),
    Stream.concat(Stream.suspend(() => finish(body))),
  )
})
