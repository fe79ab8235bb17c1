/**
 * Brings the bytes of one result, whatever happens on the way: links that die, connections that break or stall.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Linked, Progress as ProgressEvent, Retrying } from "./BatchEvent.ts"
import { type ApiError, DefenderApi } from "./DefenderApi.ts"
import type { DownloadLink } from "./DownloadLink.ts"
import * as Http from "./internal/http.ts"
import { monotonicMillis } from "./internal/monotonic.ts"
import { anewOnProgress, only } from "./internal/schedule.ts"
import { report } from "./Reporter.ts"
import type { ResultChunk, ResumePoint } from "./ResultChunk.ts"
import { ResultHead } from "./ResultChunk.ts"
import type { ResultRef } from "./ResultRef.ts"
import { RetryPolicy } from "./RetryPolicy.ts"
import * as TransferError from "./TransferError.ts"

/**
 * Everything that a download can fail with.
 *
 * @since 0.1.0
 * @category errors
 */
export type DownloadError = TransferError.TransferError | ApiError

/**
 * @since 0.1.0
 * @category services
 */
export interface Service {
  /**
   * The result's chunks, each with its place, from `resume` on or from the start. Where the stored result changed
   * meanwhile, or its storage does not continue, it starts over: a chunk at offset 0 voids those before it. An empty
   * result is one empty chunk, and a result that is there already is none.
   *
   * The stream ends only when everything that was announced has come.
   */
  readonly chunks: (ref: ResultRef, resume?: ResumePoint) => Stream.Stream<ResultChunk, DownloadError>

  /**
   * The result's bytes, for whoever can't take them back: where the result would have to start over after bytes were
   * handed on, it fails with reason `Changed`.
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
 * Downloads results.
 *
 * @since 0.1.0
 * @category services
 */
export class Transfer extends Context.Service<Transfer, Service>()("@live-response/core/Transfer") {}

/** An error body is read to this bound, so that it does not hold its connection. */
const errorBodyLimit = 16 * 1024

/** How often a transfer under way tells of its progress. */
const progressInterval = 1000

/** What is known of one transfer. It outlives the attempts that the transfer is made of. */
class Progress {
  link: { readonly link: DownloadLink; readonly since: number } | undefined
  links = 0
  head: ResultHead | undefined
  offset: number
  /** The furthest that any attempt came: who comes further has made progress. */
  furthest = 0

  constructor(resume: ResumePoint | undefined) {
    this.head = resume?.head
    this.offset = resume?.offset ?? 0
    if (this.offset === 0) this.startOver()
  }

  startOver(): void {
    this.head = undefined
    this.offset = 0
  }

  get isComplete(): boolean {
    return this.head?.length !== undefined && this.head.length === this.offset
  }

  /** Whether an attempt came further than all before it. Asked once after each failure. */
  advanced(): boolean {
    const advanced = this.offset > this.furthest
    this.furthest = Math.max(this.furthest, this.offset)
    return advanced
  }
}

/**
 * Makes the service. Blobs are asked for with no bearer and no trace headers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, HttpClient.HttpClient | DefenderApi> = Effect.gen(function* () {
  const client = HttpClient.withScope(yield* HttpClient.HttpClient)
  const api = yield* DefenderApi
  const policy = yield* RetryPolicy
  const stallTimeout = Duration.fromInputUnsafe(policy.stallTimeout)

  /** The link at hand, or a new one where there is none or its time is over. A new one is used whatever it says. */
  const linkFor = Effect.fnUntraced(function* (ref: ResultRef, progress: Progress) {
    const kept = progress.link
    if (kept !== undefined && isGood(kept.link, (yield* monotonicMillis) - kept.since)) return kept.link
    const link = yield* api.downloadLink(ref, { again: progress.links > 0 })
    progress.link = { link, since: yield* monotonicMillis }
    progress.links++
    yield* report(Linked.make({ ...ref, links: progress.links }))
    return link
  })

  /** Asks the storage for what is missing. Where it does not continue what is here, the transfer starts over. */
  const ask = (ref: ResultRef, progress: Progress): Effect.Effect<HttpClientResponse, DownloadError, Scope.Scope> =>
    Effect.gen(function* () {
      // Only a strong ETag promises that what comes belongs to what is here.
      if (strongEtag(progress.head) === undefined) progress.startOver()
      const link = yield* linkFor(ref, progress)
      const response = yield* Http.execute(client, blobRequest(link, progress)).pipe(
        Effect.provideService(HttpClient.TracerPropagationEnabled, false),
        Effect.mapError((error) => broken(ref, progress, Http.describe(error))),
        Effect.timeoutOrElse({
          duration: policy.headTimeout,
          orElse: () => Effect.fail(broken(ref, progress, "no answer in time")),
        }),
      )
      if (progress.offset === 0) {
        // A part that nobody asked for is no beginning.
        if (response.status === 206) return yield* broken(ref, progress, "a part came where the whole was asked for")
        return response
      }
      if (continues(response, progress)) return response
      if (response.status === 200) {
        progress.startOver()
        return response
      }
      if ([206, 412, 416].includes(response.status)) {
        yield* Effect.ignore(Http.boundedText(response, errorBodyLimit))
        progress.startOver()
        return yield* ask(ref, progress)
      }
      return response
    })

  const attempt = (ref: ResultRef, progress: Progress): Stream.Stream<ResultChunk, DownloadError> =>
    Effect.gen(function* () {
      if (progress.isComplete) return Stream.empty
      const clock = yield* Clock.Clock
      // Ends before the stream's own scope where the watch ends it: that closes the connection under a stalled read.
      const connection = yield* Scope.fork(yield* Effect.scope)
      const response = yield* Scope.provide(ask(ref, progress), connection)

      if (response.status !== 200 && response.status !== 206) {
        yield* Effect.ignore(Http.boundedText(response, errorBodyLimit))
        return yield* new TransferError.TransferError({
          result: String(ref),
          reason: refusal(response, progress),
        })
      }

      const head =
        progress.offset > 0 && progress.head !== undefined ? withMd5(progress.head, response) : headOf(response)
      progress.head = head
      let toldAt = clock.currentTimeMillisUnsafe()
      const watch = yield* watchStall(connection)

      const take = (bytes: Uint8Array): Effect.Effect<ResultChunk, DownloadError> => {
        const chunk = { head, offset: progress.offset, bytes }
        progress.offset += bytes.length
        if (head.length !== undefined && progress.offset > head.length) {
          return Effect.fail(tooLong(ref, progress, head.length))
        }
        const now = clock.currentTimeMillisUnsafe()
        if (now - toldAt < progressInterval) return Effect.succeed(chunk)
        toldAt = now
        return Effect.as(report(progressEvent(ref, progress)), chunk)
      }

      const end = Stream.suspend(() => {
        if (head.length !== undefined && progress.offset < head.length) {
          return Stream.fail(broken(ref, progress, `the body ended ${head.length - progress.offset} bytes early`))
        }
        return progress.offset === 0 ? Stream.succeed({ head, offset: 0, bytes: new Uint8Array() }) : Stream.empty
      })

      return Stream.transformPull(response.stream, (pull) => Effect.succeed(watch.during(pull))).pipe(
        Stream.mapError((error) =>
          watch.stalled
            ? transferError(ref, new TransferError.Stalled({ offset: progress.offset, timeout: stallTimeout }))
            : broken(ref, progress, Http.describe(error)),
        ),
        Stream.mapEffect(take),
        Stream.concat(end),
      )
    }).pipe(Stream.unwrap)

  /**
   * Watches reads from one fiber: a timer round each read would cost more than the read. Only the time that a read
   * takes counts, not the time that its reader takes before the next.
   */
  const watchStall = Effect.fnUntraced(function* (connection: Scope.Closeable) {
    const clock = yield* Clock.Clock
    const limit = Duration.toMillis(stallTimeout)
    let readSince = Infinity
    const watch = {
      stalled: false,
      during: <A, E, R>(read: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
        Effect.suspend(() => {
          readSince = clock.currentTimeMillisUnsafe()
          return Effect.onExit(read, () => {
            readSince = Infinity
            return Effect.void
          })
        }),
    }
    const isStalled = Effect.sync(() => clock.currentTimeMillisUnsafe() - readSince >= limit)
    yield* isStalled.pipe(
      Effect.repeat({ schedule: Schedule.spaced(Duration.millis(limit / 4)), until: (stalled) => stalled }),
      Effect.andThen(
        Effect.suspend(() => {
          watch.stalled = true
          return Scope.close(connection, Exit.void)
        }),
      ),
      Effect.forkScoped,
    )
    return watch
  })

  const chunks: Service["chunks"] = (ref, resume) =>
    Stream.suspend(() => {
      const progress = new Progress(resume)
      const tellRetrying = Schedule.tap(({ duration, input }: Schedule.Metadata<unknown, DownloadError>) =>
        report(Retrying.make({ ...ref, delay: duration, message: input.message, error: input })),
      )
      return attempt(ref, progress).pipe(
        Stream.retry(tellRetrying(only(policy.link, isLinkRefused))),
        Stream.retry(tellRetrying(anewOnProgress(only(policy.transfer, isRetryable), () => progress.advanced()))),
      )
    })

  const bytes: Service["bytes"] = (ref) =>
    Stream.suspend(() => {
      let head: ResultHead | undefined
      let given = 0
      return chunks(ref).pipe(
        Stream.mapEffect((chunk) => {
          const etag = strongEtag(head)
          const sameContent = head === undefined || (etag !== undefined && etag === strongEtag(chunk.head))
          head ??= chunk.head
          if (chunk.offset < given && !sameContent) {
            return Effect.fail(transferError(ref, new TransferError.Changed({ offset: given })))
          }
          const fresh = chunk.bytes.subarray(Math.max(0, given - chunk.offset))
          given += fresh.length
          return Effect.succeed(fresh)
        }),
        Stream.filter((bytes) => bytes.length > 0),
      )
    })

  return { chunks, bytes }
})

/** Whether a link should still be taken after so many milliseconds. A link that does not say is tried. */
const isGood = ({ validFor }: DownloadLink, age: number): boolean =>
  Option.match(validFor, { onNone: () => true, onSome: (validFor) => age < Duration.toMillis(validFor) })

const transferError = (ref: ResultRef, reason: TransferError.Reason) =>
  new TransferError.TransferError({ result: String(ref), reason })

const broken = (ref: ResultRef, progress: Progress, description: string) =>
  transferError(ref, new TransferError.Broken({ offset: progress.offset, description }))

const tooLong = (ref: ResultRef, progress: Progress, expected: number) =>
  transferError(
    ref,
    new TransferError.Mismatch({
      what: "length",
      expected: `${expected} bytes`,
      actual: `at least ${progress.offset} bytes`,
    }),
  )

const isTransferError = (error: DownloadError): error is TransferError.TransferError => error._tag === "TransferError"

const isLinkRefused = (error: DownloadError): error is TransferError.TransferError =>
  isTransferError(error) && error.reason._tag === "LinkRefused"

const isRetryable = (error: DownloadError): error is TransferError.TransferError =>
  isTransferError(error) && error.isRetryable

const progressEvent = (ref: ResultRef, { head, offset }: Progress) =>
  ProgressEvent.make({ ...ref, bytes: offset, ...(head?.length === undefined ? {} : { total: head.length }) })

const strongEtag = (head: ResultHead | undefined): string | undefined =>
  head?.etag?.startsWith("W/") === true ? undefined : head?.etag

/** `identity`, because offsets, lengths and hashes are of the stored bytes. */
const blobRequest = (link: DownloadLink, { head, offset }: Progress) => {
  const etag = strongEtag(head)
  return HttpClientRequest.get(Redacted.value(link.url), {
    headers: {
      "accept-encoding": "identity",
      ...(offset > 0 && etag !== undefined ? { range: `bytes=${offset}-`, "if-match": etag } : {}),
    },
  })
}

/** What was announced twice is the same. */
const agrees = (announced: string | undefined, known: string | undefined): boolean =>
  announced === undefined || known === undefined || announced === known

/** Whether an answer goes on exactly where the bytes here end, with the same content. */
const continues = ({ headers, status }: HttpClientResponse, { head, offset }: Progress): boolean => {
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers["content-range"] ?? "")
  return (
    status === 206 &&
    Number(range?.[1]) === offset &&
    (head?.length === undefined || Number(range?.[2]) === head.length) &&
    agrees(headers.etag, head?.etag) &&
    agrees(headers["x-ms-blob-content-md5"], head?.md5)
  )
}

/** A part may announce the MD5 of the whole where the whole did not. */
const withMd5 = (head: ResultHead, { headers }: HttpClientResponse): ResultHead => {
  const md5 = headers["x-ms-blob-content-md5"]
  return head.md5 !== undefined || md5 === undefined ? head : ResultHead.make({ ...head, md5 })
}

const headOf = ({ headers }: HttpClientResponse): ResultHead => {
  const length = headers["content-length"]
  const md5 = headers["content-md5"] ?? headers["x-ms-blob-content-md5"]
  return ResultHead.make({
    ...(length !== undefined && /^\d+$/.test(length) ? { length: Number(length) } : {}),
    ...(headers.etag === undefined ? {} : { etag: headers.etag }),
    ...(md5 === undefined ? {} : { md5 }),
  })
}

const refusal = ({ headers, status }: HttpClientResponse, progress: Progress): TransferError.Reason => {
  const code = headers["x-ms-error-code"]
  const answer = { status, ...(code === undefined ? {} : { code }) }
  if (status === 403) {
    // Expired, or its key was changed: the API makes a new one.
    progress.link = undefined
    return new TransferError.LinkRefused(answer)
  }
  return [408, 429, 500, 502, 503, 504].includes(status)
    ? new TransferError.Unavailable(answer)
    : new TransferError.Refused(answer)
}

/**
 * The service over the `HttpClient` and the `DefenderApi` in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Transfer, never, HttpClient.HttpClient | DefenderApi> = Layer.effect(Transfer, make)
