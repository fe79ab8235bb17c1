/**
 * Sizes as people type them: `500 MB`, `1.5GiB`.
 */
import * as ByteSize from "effect/ByteSize"
import * as Option from "effect/Option"

/** A number of bytes; none if the text is not a size, or is smaller than the minimum. */
export const parse = (text: string, minimum: number): Option.Option<number> =>
  Option.filter(Option.flatMap(ByteSize.fromString(text), ByteSize.toNumber), (bytes) => bytes >= minimum)
