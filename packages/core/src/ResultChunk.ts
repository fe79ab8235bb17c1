/**
 * The bytes of a result under way, each chunk with its place in the whole.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What the storage announced of a result. An absent field was not announced. `md5` is in base64, as the header has it; `fileName` is by its
 * `Content-Disposition`, and never a path. With `unchecked` nothing tells where the result ends: no length, no MD5, and a body
 * that is as long as its connection.
 *
 * @since 0.1.0
 * @category models
 */
export class ResultHead extends Schema.Class<ResultHead>("@live-response/core/ResultChunk/ResultHead")({
  length: Schema.optionalKey(Schema.Int),
  etag: Schema.optionalKey(Schema.String),
  md5: Schema.optionalKey(Schema.String),
  fileName: Schema.optionalKey(Schema.String),
  unchecked: Schema.optionalKey(Schema.Literal(true)),
}) {}

/**
 * Bytes that belong at `offset`. An offset of 0 after other chunks means that the transfer started over: what came
 * before is void.
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
 * What is there already of a result: its first `offset` bytes, of the content that `head` describes.
 *
 * @since 0.1.0
 * @category models
 */
export interface ResumePoint {
  readonly head: ResultHead
  readonly offset: number
}
