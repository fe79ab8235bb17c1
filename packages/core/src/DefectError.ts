/**
 * The error of a bug in this library.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { oneLine } from "./internal/text.ts"

/**
 * A bug of this library stopped the download of one result: report it.
 *
 * **Details**
 *
 * `result` is the result (`<machineActionId>:<index>`); the other results of the batch are downloaded. The log has the
 * cause.
 *
 * @since 0.1.0
 * @category errors
 */
export class DefectError extends Schema.TaggedError<DefectError>("@live-response/core/DefectError")("DefectError", {
  result: Schema.String,
  description: Schema.String,
}) {
  override get message(): string {
    return oneLine(`${this.result}: this is a bug, please report it: ${this.description}`)
  }
}
