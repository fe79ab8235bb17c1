/**
 * The body of an answer as chunks whose memory the transport uses again.
 *
 * It is public because transports implement it: `NodeTransport` of `@live-response/node` does.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type { HttpClient } from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientRequest } from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Predicate from "effect/Predicate"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/**
 * Identifies a `BorrowedBody`.
 *
 * @since 0.1.0
 * @category type IDs
 */
export const TypeId = "~@live-response/core/BorrowedBody"

/**
 * An answer whose body can also be read as borrowed chunks.
 *
 * **Details**
 *
 * A consumer may read a borrowed chunk until it pulls the next ones. Then the transport uses its memory for other bytes.
 * That spares the garbage collector all bytes of a download, which is more than half of what a download costs in Node.
 *
 * A transport detaches the memory of a chunk (`ArrayBuffer.prototype.transfer`) before it uses it again: a chunk that was
 * kept for too long is empty, and never has other bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface BorrowedBody {
  readonly [TypeId]: Reading
}

/**
 * The body of an answer while it is read: `pull` reads its chunks. `close` ends the connection unless the body was read to its
 * end, and its memory is used again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reading {
  readonly pull: ChunksPull
  readonly close: Effect.Effect<void>
}

/**
 * Identifies a `LendingClient`.
 *
 * @since 0.1.0
 * @category type IDs
 */
export const ClientTypeId = "~@live-response/core/BorrowedBody/LendingClient"

/**
 * Reads borrowed chunks.
 *
 * @since 0.1.0
 * @category models
 */
export type ChunksPull = Pull.Pull<NonEmptyReadonlyArray<Uint8Array>, HttpClientError>

/**
 * An answer of a `LendingClient`, whose body is read instead of the streams of the answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenedBody extends Reading {
  readonly response: HttpClientResponse
}

/**
 * A client that also opens answers without the span, the `AbortSignal` and the streams that `execute` has for each of them.
 *
 * **Details**
 *
 * `open` fails as `execute` does, and its interruption ends the request. Who has opened an answer closes it. A client that was
 * changed with `HttpClient.transform` and the like is not a lending one any more: its changes apply to `execute` alone.
 *
 * @since 0.1.0
 * @category models
 */
export interface LendingClient {
  /** `undefined` for a request that only `execute` can send. */
  readonly [ClientTypeId]: (request: HttpClientRequest) => Effect.Effect<OpenedBody, HttpClientError> | undefined
}

/**
 * Makes a client a `LendingClient`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const lending = (client: HttpClient, open: LendingClient[typeof ClientTypeId]): HttpClient & LendingClient =>
  Object.assign(client, { [ClientTypeId]: open } as const)

const isLending = <E, R>(client: HttpClient.With<E, R>): client is HttpClient.With<E, R> & LendingClient =>
  Predicate.hasProperty(client, ClientTypeId) && Predicate.isFunction(client[ClientTypeId])

/**
 * Opens the answer to a request, if the client is a `LendingClient` and can do so.
 *
 * @since 0.1.0
 * @category reading
 */
export const open = <E, R>(
  client: HttpClient.With<E, R>,
  request: HttpClientRequest,
): Effect.Effect<OpenedBody, HttpClientError> | undefined =>
  isLending(client) ? client[ClientTypeId](request) : undefined

const readingOf = (response: HttpClientResponse): Reading | undefined =>
  isBorrowedBody(response) ? response[TypeId] : undefined

const isBorrowedBody = (response: HttpClientResponse): response is HttpClientResponse & BorrowedBody =>
  Predicate.hasProperty(response, TypeId) && Predicate.hasProperty(response[TypeId], "pull")

/**
 * The pull of a body: of borrowed chunks if its transport has them, or of copies.
 *
 * **Gotchas**
 *
 * Copy what you keep of borrowed chunks, and read nothing ahead.
 *
 * @since 0.1.0
 * @category reading
 */
export const pullOf = (
  response: HttpClientResponse,
  options: { readonly borrowed: boolean },
): Effect.Effect<ChunksPull, never, Scope.Scope> => {
  const reading = options.borrowed ? readingOf(response) : undefined
  return reading === undefined
    ? Stream.toPull(response.stream)
    : Effect.flatMap(Effect.scope, (scope) => Effect.as(Scope.addFinalizer(scope, reading.close), reading.pull))
}

/**
 * Gives the chunks of a body to `take` as long as that returns `true`, and closes the body. Chunks are borrowed if the transport
 * has such: copy what you keep.
 *
 * @since 0.1.0
 * @category reading
 */
export const forEachWhile = (
  response: HttpClientResponse,
  take: (bytes: Uint8Array) => boolean,
): Effect.Effect<void, HttpClientError> => {
  const reading = readingOf(response)
  if (reading === undefined) return Stream.runForEachWhile(response.stream, (bytes) => Effect.sync(() => take(bytes)))
  const next: Effect.Effect<void, HttpClientError> = Pull.matchEffect(reading.pull, {
    onSuccess: (chunks) => (chunks.every(take) ? next : Effect.void),
    onDone: () => Effect.void,
    onFailure: Effect.failCause,
  })
  return Effect.ensuring(next, reading.close)
}
