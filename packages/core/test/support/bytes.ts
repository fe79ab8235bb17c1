/** The text as UTF-8. */
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

/** Bytes in a pattern whose neighbourhoods all differ, so that a gap or a repetition shows. */
export const patterned = (length: number, seed = 0): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8) * 7 + seed) % 251)

/** All chunks as one array, for assertions. */
export const joined = (chunks: Iterable<Uint8Array>): Array<number> =>
  Array.from(chunks).flatMap((chunk) => Array.from(chunk))
