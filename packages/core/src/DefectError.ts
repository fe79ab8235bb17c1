/**
 * A fault of this library that came up while one result was downloaded.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { oneLine } from "./internal/text.ts"

/**
 * A defect, which nothing in this library should have: report it. It is about the result that it came up with
 * (`<machineActionId>:<index>`), so that the other results of a batch are downloaded all the same. The log has its cause.
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
