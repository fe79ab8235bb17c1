/**
 * Brings the bytes of one result, whatever happens on the way: links that die, connections that break or stall.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
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
import { DownloadLimits } from "./DownloadLimits.ts"
import type { DownloadLink } from "./DownloadLink.ts"
import * as BatchTargets from "./internal/batchTargets.ts"
import * as BlobAnswer from "./internal/blobAnswer.ts"
import { type Trouble, troubleOf } from "./internal/connection.ts"
import { secretsOfLink } from "./internal/foreignText.ts"
import * as Http from "./internal/http.ts"
import { monotonicMillis, monotonicMillisUnsafe } from "./internal/monotonic.ts"
import * as NetworkGate from "./internal/networkGate.ts"
import { anewOnProgress, either, only } from "./internal/schedule.ts"
import * as StallWatch from "./internal/stallWatch.ts"
import { strongEtag, TransferState } from "./internal/transferState.ts"
import { reportNow } from "./Reporter.ts"
import type { ResultChunk, ResumePoint } from "./ResultChunk.ts"
import { ResultHead } from "./ResultChunk.ts"
import type { ResultRef } from "./ResultRef.ts"
import { Timing } from "./Timing.ts"
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

/** How often a transfer in progress reports how far it is. */
const progressInterval = 1000

/**
 * Makes the service. Blobs are asked for with no bearer and no trace headers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, HttpClient.HttpClient | DefenderApi> = Effect.gen(function* () {
  const client = HttpClient.withScope(yield* HttpClient.HttpClient)
  const api = yield* DefenderApi
  const policy = yield* Timing
  const stallLimits = {
    timeout: Duration.fromInputUnsafe(policy.stallTimeout),
    minimum: { ...policy.minimumRate, over: Duration.toMillis(Duration.fromInputUnsafe(policy.minimumRate.over)) },
  }
  const gates = new Map<string, NetworkGate.Gate<TransferError.TransferError>>()

  const gateOf = Effect.fnUntraced(function* (origin: string) {
    const known = gates.get(origin)
    if (known !== undefined) return known
    const gate = yield* Effect.provideService(NetworkGate.make(connecting), Timing, policy)
    gates.set(origin, gate)
    return gate
  })

  /** The link at hand, or a new one where there is none or it has expired. A new one is used whatever it says. */
  const linkFor = Effect.fnUntraced(function* (ref: ResultRef, state: TransferState) {
    const kept = state.link
    if (kept !== undefined && isGood(kept.link, (yield* monotonicMillis) - kept.since)) return kept.link
    const link = yield* api.downloadLink(ref, { again: state.links > 0 })
    state.link = { link, since: yield* monotonicMillis }
    state.links++
    yield* reportNow((at) => Linked.make({ at, ...ref, links: state.links }))
    return link
  })

  /** Asks the storage for what is missing, once it is in reach. A link that expired meanwhile is renewed. */
  const request = Effect.fnUntraced(function* (ref: ResultRef, state: TransferState) {
    const origin = originOf(yield* linkFor(ref, state))
    const gate = yield* gateOf(origin)
    const gaveUp = ({ reason }: TransferError.TransferError, waited: Duration.Duration) =>
      transferError(ref, reason._tag === "Broken" ? new TransferError.Broken({ ...reason, waited }) : reason)
    const through = gate.through(
      (check): Effect.Effect<HttpClientResponse, DownloadError, Scope.Scope> =>
        Effect.gen(function* () {
          const link = yield* linkFor(ref, state)
          yield* check
          return yield* Http.execute(client, blobRequest(link, state), policy.headTimeout).pipe(
            Effect.provideService(HttpClient.TracerPropagationEnabled, false),
            Effect.mapError((trouble) =>
              trouble.isPrivate === true ? notFollowed(ref, link) : broken(ref, state, trouble),
            ),
          )
        }),
      gaveUp,
    )
    return yield* BatchTargets.asking(String(ref), origin)(through)
  })

  /** An answer whose body is the rest of the result. Where the storage does not continue it, the transfer starts over. */
  const ask = (ref: ResultRef, state: TransferState): Effect.Effect<HttpClientResponse, DownloadError, Scope.Scope> =>
    Effect.gen(function* () {
      // Only a strong ETag promises that what comes belongs to what is here.
      if (strongEtag(state.head) === undefined) state.startOver()
      const response = yield* request(ref, state)
      const secrets = state.link === undefined ? [] : secretsOfLink(state.link.link.url)
      const meaning = BlobAnswer.meaningOf(response, state, { now: yield* DateTime.now, secrets })
      switch (meaning._tag) {
        case "StartOver":
          state.startOver()
          state.head = meaning.head
          return response
        case "Body":
          state.head = meaning.head
          return response
        case "AskForWhole":
          yield* Http.errorText(response)
          state.startOver()
          return yield* ask(ref, state)
        case "Foreign":
          return yield* transferError(ref, BlobAnswer.foreign(response, yield* Http.errorText(response), secrets))
        case "Failed":
          yield* Http.errorText(response)
          // It expired, or its key was changed: the API makes a new one.
          if (meaning.reason._tag === "LinkRefused") state.link = undefined
          return yield* transferError(ref, meaning.reason)
      }
    })

  /** The chunks of a body. It has to hold everything that was announced. */
  const chunksOf = Effect.fnUntraced(function* (
    ref: ResultRef,
    state: TransferState,
    { stream }: HttpClientResponse,
    connection: Scope.Closeable,
  ) {
    const clock = yield* Clock.Clock
    const watch = yield* StallWatch.make(connection, state.pace, stallLimits)
    const { maxBytes } = yield* DownloadLimits
    const head = state.head ?? ResultHead.make({})
    if (head.length !== undefined && head.length > maxBytes) return yield* tooLarge(ref, maxBytes, head.length)
    let reportedAt = monotonicMillisUnsafe(clock)

    const take = (bytes: Uint8Array): Effect.Effect<ResultChunk, DownloadError> => {
      const chunk = { head, offset: state.offset, bytes }
      state.offset += bytes.length
      if (head.length !== undefined && state.offset > head.length) {
        return Effect.fail(tooLong(ref, state, head.length))
      }
      if (state.offset > maxBytes) return Effect.fail(tooLarge(ref, maxBytes))
      const now = monotonicMillisUnsafe(clock)
      if (now - reportedAt < progressInterval) return Effect.succeed(chunk)
      reportedAt = now
      return Effect.as(
        reportNow((at) => progressEvent(at, ref, state)),
        chunk,
      )
    }

    const end = Stream.suspend(() => {
      if (head.length !== undefined && state.offset < head.length) {
        const description = `the body ended ${head.length - state.offset} bytes early`
        return Stream.fail(broken(ref, state, { description }))
      }
      return state.offset === 0 ? Stream.succeed({ head, offset: 0, bytes: new Uint8Array() }) : Stream.empty
    }).pipe(Stream.onStart(head.unchecked === true ? warnUnchecked(ref, state) : Effect.void))

    return Stream.transformPull(stream, (pull) => Effect.succeed(watch.during(pull))).pipe(
      Stream.mapError((error) => {
        const stall = watch.stalled()
        return stall === undefined
          ? broken(ref, state, { description: troubleOf(error).description })
          : transferError(ref, new TransferError.Stalled({ offset: state.offset, ...stall }))
      }),
      Stream.mapEffect(take),
      Stream.concat(end),
    )
  })

  const attempt = (ref: ResultRef, state: TransferState): Stream.Stream<ResultChunk, DownloadError> =>
    Effect.gen(function* () {
      if (state.isComplete) return Stream.empty
      // Ends before the stream's own scope where the watch ends it: that closes the connection under a stalled read.
      const connection = yield* Scope.fork(yield* Effect.scope)
      const response = yield* Scope.provide(ask(ref, state), connection)
      return yield* chunksOf(ref, state, response, connection)
    }).pipe(Stream.unwrap)

  const chunks: Service["chunks"] = (ref, resume) =>
    Stream.suspend(() => {
      const state = new TransferState(resume)
      const reporting = Schedule.tap(({ duration, input }: Schedule.Metadata<unknown, DownloadError>) =>
        reportNow((at) => Retrying.make({ at, ...ref, delay: duration, message: input.message, error: input })),
      )
      const again = only(either(policy.transfer, policy.busy, isBusy), isRepeatable)
      return attempt(ref, state).pipe(
        Stream.retry(reporting(only(policy.link, isLinkRefused))),
        Stream.retry(reporting(anewOnProgress(again, () => state.advanced()))),
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

const originOf = ({ url }: DownloadLink): string => new URL(Redacted.value(url)).origin

const transferError = (ref: ResultRef, reason: TransferError.Reason) =>
  new TransferError.TransferError({ result: String(ref), reason })

const broken = (ref: ResultRef, { offset }: TransferState, { cause, description }: Trouble) =>
  transferError(ref, new TransferError.Broken({ offset, description, ...(cause === undefined ? {} : { kind: cause }) }))

const notFollowed = (ref: ResultRef, { url }: DownloadLink) =>
  transferError(ref, new TransferError.LinkInvalid({ host: new URL(Redacted.value(url)).hostname }))

const warnUnchecked = (ref: ResultRef, state: TransferState) =>
  Effect.suspend(() =>
    Effect.logWarning(
      `${ref}: the storage announced no length, so that whether its ${state.offset} bytes are all of it is not checked; download it again from another network, and compare`,
    ),
  )

const tooLong = (ref: ResultRef, { offset }: TransferState, expected: number) =>
  transferError(
    ref,
    new TransferError.Mismatch({
      what: "length",
      expected: `${expected} bytes`,
      actual: `at least ${offset} bytes`,
    }),
  )

const tooLarge = (ref: ResultRef, limit: number, length?: number) =>
  transferError(ref, new TransferError.TooLarge({ limit, ...(length === undefined ? {} : { length }) }))

const isTransferError = (error: DownloadError): error is TransferError.TransferError => error._tag === "TransferError"

const isLinkRefused = (error: DownloadError): error is TransferError.TransferError =>
  isTransferError(error) && error.reason._tag === "LinkRefused"

/** Where there is no connection the transfer has waited for one already. */
const isRepeatable = (error: DownloadError): error is TransferError.TransferError =>
  isTransferError(error) && error.isRetryable && causeOf(error) === undefined

const isBusy = ({ reason }: TransferError.TransferError): boolean =>
  reason._tag === "Unavailable" && reason.retryAfter !== undefined

const causeOf = ({ reason }: TransferError.TransferError) => (reason._tag === "Broken" ? reason.kind : undefined)

/** What the gate before a storage has to know. */
const connecting: NetworkGate.Options<TransferError.TransferError> = {
  isMine: (error): error is TransferError.TransferError => error instanceof TransferError.TransferError,
  says: causeOf,
  summary: ({ reason }) => `the storage can't be reached${reason._tag === "Broken" ? ` (${reason.description})` : ""}`,
}

const progressEvent = (at: DateTime.Utc, ref: ResultRef, { head, offset }: TransferState) =>
  ProgressEvent.make({ at, ...ref, bytes: offset, ...(head?.length === undefined ? {} : { total: head.length }) })

/** `identity`, because offsets, lengths and hashes are of the stored bytes. */
const blobRequest = (link: DownloadLink, { head, offset }: TransferState) => {
  const etag = strongEtag(head)
  return HttpClientRequest.get(Redacted.value(link.url), {
    headers: {
      "accept-encoding": "identity",
      ...(offset > 0 && etag !== undefined ? { range: `bytes=${offset}-`, "if-match": etag } : {}),
    },
  })
}

/**
 * The service over the `HttpClient` and the `DefenderApi` in context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Transfer, never, HttpClient.HttpClient | DefenderApi> = Layer.effect(Transfer, make)
