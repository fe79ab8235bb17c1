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
 * `md5` is in base64, as the header has it. `encoding` is the `Content-Encoding` of the bytes, which are stored as they come, so
 * that no bytes of another encoding continue them. `fileName` is the name in `Content-Disposition`, for display alone. `unchecked`
 * says that nothing marks the end of the result: there is no length and no MD5, and the body ends with its connection.
 *
 * @since 0.1.0
 * @category models
 */
export class ResultHead extends Schema.Class<ResultHead>("@live-response/core/ResultChunk/ResultHead")({
  length: Schema.optionalKey(Schema.Int),
  etag: Schema.optionalKey(Schema.String),
  md5: Schema.optionalKey(Schema.String),
  encoding: Schema.optionalKey(Schema.String),
  fileName: Schema.optionalKey(Schema.String),
  unchecked: Schema.optionalKey(Schema.Literal(true)),
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
