/** The body of one answer of the storage, as chunks of the result. */
import * as Array from "effect/Array"
import * as Bytes from "effect/Bytes"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import type * as BorrowedBody from "../BorrowedBody.ts"
import { DownloadLimits } from "../DownloadLimits.ts"
import { type ResultChunk, ResultHead } from "../ResultChunk.ts"
import { Progress } from "../ResultEvent.ts"
import { reportNow } from "../Reporter.ts"
import * as TextEncoding from "../TextEncoding.ts"
import * as TransferError from "../TransferError.ts"
import { troubleOf } from "./connectionFailure.ts"
import { monotonicMillisUnsafe } from "./monotonic.ts"
import * as ResultMetrics from "./resultMetrics.ts"
import * as StallWatch from "./stallWatch.ts"
import * as TransferFailure from "./transferFailure.ts"
import { progressInterval } from "./progressInterval.ts"
import type { TransferState } from "./transferState.ts"
import * as WebPage from "./webPage.ts"

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

type ChunksPull = Pull.Pull<Array.NonEmptyReadonlyArray<ResultChunk>, TransferError.TransferError>

/** Checks at the end of a body that all announced bytes arrived. An empty result is one empty chunk. */
const finish = ({ head, transfer }: Body): ChunksPull => {
  if (head.length !== undefined && transfer.offset < head.length) {
    const description = `the body ended ${head.length - transfer.offset} bytes early`
    return Effect.fail(TransferFailure.broken(transfer, { description }))
  }
  return transfer.offset === 0 ? Effect.succeed([{ head, offset: 0, bytes: new Uint8Array() }]) : Cause.done()
}

/** The next bytes of a body; `undefined` at its end. */
type Read = Effect.Effect<ReadonlyArray<Uint8Array> | undefined, TransferError.TransferError>

/** In bytes. The title of a page is at its beginning. */
const longestPage = 16 * 1024

/** Fails if the bytes are a web page. The first ones are passed on when that is known, or when no more follow. */
const unlessPage = (read: Read, ifPage: (page: string) => TransferError.TransferError): Read => {
  let start: Uint8Array | undefined = new Uint8Array()
  /** What follows the bytes that were held back. */
  let rest = read
  const passOn = (held: Uint8Array, then: Read): Read => {
    start = undefined
    rest = then
    return held.length === 0 ? then : Effect.succeed([held])
  }
  const next: Read = Effect.suspend(() => {
    if (start === undefined) return rest
    const held = start
    return Effect.matchEffect(read, {
      onFailure: (error) => passOn(held, Effect.fail(error)),
      onSuccess: (chunks): Read => {
        if (chunks === undefined) return passOn(held, Effect.succeed(undefined))
        // What is held back is a copy, because the next read may use the memory again.
        const all = Bytes.concat([held, ...chunks])
        switch (WebPage.beginsIn(all)) {
          case "yes":
            return Effect.fail(ifPage(TextEncoding.decode(all.subarray(0, longestPage))))
          case "maybe":
            start = all
            return next
          case "no":
            start = undefined
            return Effect.succeed(held.length === 0 ? chunks : [all])
        }
      },
    })
  })
  return next
}

/** Gives the chunks one by one, because a reader of borrowed bytes may not look ahead. */
const pullOf = (body: Body, read: Read) => {
  const waiting: Array<Uint8Array> = []
  let isFinished = false
  const next = (bytes: Uint8Array) => Effect.map(take(body, bytes), Array.of)
  const pull: ChunksPull = Effect.suspend(() => {
    const bytes = waiting.shift()
    if (bytes !== undefined) return next(bytes)
    if (isFinished) return Cause.done()
    return Effect.flatMap(read, (chunks): ChunksPull => {
      if (chunks === undefined) {
        isFinished = true
        return finish(body)
      }
      const [first, ...others] = chunks
      waiting.push(...others)
      return first === undefined ? pull : next(first)
    })
  })
  return pull
}

/**
 * Reads the chunks of a body, which continues the transfer where it stands. Each is passed on before the next one is pulled.
 * `connection` is closed if the body stalls. `ifPage` is the error of a body that is a web page, where it must not be one.
 */
export const chunks = Effect.fnUntraced(function* (options: {
  readonly transfer: TransferState
  readonly bytes: BorrowedBody.ChunksPull
  readonly connection: Scope.Closeable
  readonly ifPage: ((page: string) => TransferError.TransferError) | undefined
  readonly stallLimits: StallWatch.Limits
}): Effect.fn.Return<ChunksPull, TransferError.TransferError, Scope.Scope> {
  const { bytes, connection, ifPage, stallLimits, transfer } = options
  const watch = yield* StallWatch.make(connection, transfer.pace, stallLimits)
  const { maxBytes } = yield* DownloadLimits
  const clock = yield* Clock.Clock
  const head = transfer.head ?? ResultHead.make({})
  if (head.length !== undefined && head.length > maxBytes) {
    return yield* TransferFailure.tooLarge(transfer.ref, maxBytes, head.length)
  }
  const body: Body = { transfer, head, maxBytes, clock, reportedAt: monotonicMillisUnsafe(clock) }
  const read = Pull.matchEffect(watch.during(bytes), {
    onSuccess: (chunks) => Effect.succeed<ReadonlyArray<Uint8Array> | undefined>(chunks),
    onDone: () => Effect.succeed(undefined),
    onFailure: Effect.failCause,
  })
  const described: Read = Effect.mapError(read, (error) => {
    const stall = watch.stall()
    return stall === undefined
      ? TransferFailure.broken(transfer, { description: troubleOf(error).description })
      : TransferFailure.make(transfer.ref, new TransferError.Stalled({ offset: transfer.offset, ...stall }))
  })
  return pullOf(body, ifPage === undefined ? described : unlessPage(described, ifPage))
})
