/**
 * A part of a result in progress: its bytes, and their offset.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What the storage announced of a result. An absent field was not announced.
 *
 * **Details**
 *
 * `md5` is in base64, as the header has it. `fileName` is the name in `Content-Disposition`, for display alone.
 *
 * @since 0.1.0
 * @category models
 */
export class ResultHead extends Schema.Class<ResultHead>("@live-response/core/ResultChunk/ResultHead")({
  length: Schema.optionalKey(Schema.Int),
  etag: Schema.optionalKey(Schema.String),
  md5: Schema.optionalKey(Schema.String),
  fileName: Schema.optionalKey(Schema.String),
}) {}

/**
 * Bytes of a result, at `offset`.
 *
 * **Gotchas**
 *
 * A chunk with offset 0 after other chunks means that the transfer started over. It replaces the chunks before it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResultChunk {
  readonly head: ResultHead
  readonly offset: number
  readonly bytes: Uint8Array
}

/**
 * What was downloaded of a result before: the first `offset` bytes of the content that `head` describes.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResumePoint {
  readonly head: ResultHead
  readonly offset: number
}
