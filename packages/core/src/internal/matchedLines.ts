/** Takes entries from lines that a form matches, beside those that a schema decodes, in the order of the file. */
import * as Stream from "effect/Stream"
import type { Skim } from "./lineReader.ts"

/** How many entries are in memory together. */
const atOnce = 500

export interface Matched<A> {
  readonly skim: Skim
  /** Puts the decoded entries and those that were taken into one stream, in chunks. `undefined` is left out. */
  readonly merge: <B, E, R>(
    decoded: Stream.Stream<B, E, R>,
    toEntry: (decoded: B) => A | undefined,
  ) => Stream.Stream<A, E, R>
}

/**
 * `match` is that of a skim. `entryOf` gives what is taken from a line that was matched, or `"decode"` where the schema decides,
 * or `"skip"`.
 */
export const make = <A>(
  match: Skim["match"],
  entryOf: (bytes: Uint8Array, at: number, end: number, offset: number) => A | "decode" | "skip",
): Matched<A> => {
  const entries: Array<A> = []
  let found: A | "skip" = "skip"
  return {
    skim: {
      match: (bytes, at, offset) => {
        found = "skip"
        const end = match(bytes, at, offset)
        if (end < 0) return end
        // The reader of the stream comes only for a line that is decoded.
        const entry = entries.length >= atOnce ? "decode" : entryOf(bytes, at, end, offset)
        if (entry === "decode") return -1
        found = entry
        return end
      },
      take: () => {
        if (found !== "skip") entries.push(found)
      },
    },
    merge: (decoded, toEntry) =>
      decoded.pipe(
        Stream.map((decoded) => {
          const entry = toEntry(decoded)
          if (entry !== undefined) entries.push(entry)
          return entries.splice(0)
        }),
        Stream.concat(Stream.sync(() => entries.splice(0))),
        Stream.flatMap(Stream.fromArray),
      ),
  }
}
