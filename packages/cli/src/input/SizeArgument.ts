/**
 * Sizes as people type them: `500 MB`, `1.5GiB`, `20M`, `20000`.
 */
import * as ByteSize from "effect/ByteSize"
import * as Option from "effect/Option"

/** `20M` is 20 MB: a letter stands for a power of ten, as in all output of this program. A number alone is bytes. */
const withUnit = (text: string): string =>
  text
    .replace(/^\s*\d+\s*$/, "$& B")
    .replace(/^(\s*[\d.]+\s*)k\s*$/i, "$1kB")
    .replace(/^(\s*[\d.]+\s*[MGT])\s*$/, "$1B")

/** A number of bytes; none if the text is not a size, or is smaller than the minimum. */
export const parse = (text: string, minimum: number): Option.Option<number> =>
  Option.filter(Option.flatMap(ByteSize.fromString(withUnit(text)), ByteSize.toNumber), (bytes) => bytes >= minimum)
