/** The text as UTF-8. */
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

/** Bytes of this function of their position. A loop: `Uint8Array.from` takes ten times as long, which is a second for some tests. */
export const bytesBy = (length: number, at: (index: number) => number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = at(i)
  return bytes
}

/** Bytes in a pattern whose neighbourhoods all differ, so that a gap or a repetition shows. */
export const patterned = (length: number, seed = 0): Uint8Array<ArrayBuffer> =>
  bytesBy(length, (i) => (i * 31 + (i >>> 8) * 7 + seed) % 251)

/** All chunks as one array, for assertions. */
export const joined = (chunks: Iterable<Uint8Array>): Array<number> =>
  Array.from(chunks).flatMap((chunk) => Array.from(chunk))
