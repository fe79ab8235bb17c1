/**
 * The body of an answer as chunks whose memory the transport uses again.
 *
 * It is public because transports implement it: `NodeTransport` of `@live-response/node` does.
 *
 * @since 0.1.0
 */
import type { HttpClientError } from "effect/http/HttpClientError"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Predicate from "effect/Predicate"
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
  readonly [TypeId]: Stream.Stream<Uint8Array, HttpClientError>
}

const isBorrowedBody = (response: HttpClientResponse): response is HttpClientResponse & BorrowedBody =>
  Predicate.hasProperty(response, TypeId) && Stream.isStream(response[TypeId])

/**
 * The body of an answer as borrowed chunks, or as ordinary chunks if its transport has no others.
 *
 * **When to use**
 *
 * Use it where one consumer reads each chunk once, as a writer of files does.
 *
 * **Gotchas**
 *
 * Copy what you keep. Operators that read ahead, such as `Stream.buffer`, must not be applied to it.
 *
 * @since 0.1.0
 * @category reading
 */
export const streamOf = (response: HttpClientResponse): Stream.Stream<Uint8Array, HttpClientError> =>
  isBorrowedBody(response) ? response[TypeId] : response.stream
