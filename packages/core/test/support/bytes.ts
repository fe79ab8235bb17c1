/** The text as UTF-8. */
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

/** Bytes of this function of their position. A loop: `Uint8Array.from` takes ten times as long, which is a second for some tests. */
export const bytesBy = (length: number, at: (index: number) => number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = at(i)
  return bytes
}

/** After so many bytes the pattern repeats. */
const period = 256 * 251

/** Bytes in a pattern whose neighbourhoods all differ, so that a gap or a repetition shows. */
export const patterned = (length: number, seed = 0): Uint8Array<ArrayBuffer> => {
  const first = bytesBy(Math.min(length, period), (i) => (i * 31 + (i >>> 8) * 7 + seed) % 251)
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += period) bytes.set(first.subarray(0, length - at), at)
  return bytes
}

/** All chunks as one array, for assertions. */
export const joined = (chunks: Iterable<Uint8Array>): Array<number> => {
  const bytes: Array<number> = []
  for (const chunk of chunks) for (const byte of chunk) bytes.push(byte)
  return bytes
}
