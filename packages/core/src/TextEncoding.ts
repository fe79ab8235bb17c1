/**
 * Decodes text files whose encoding is unknown: PowerShell 5.1 writes UTF-16, other programs write UTF-8.
 *
 * @since 0.1.0
 */
import * as Bytes from "effect/Bytes"
import * as Stream from "effect/Stream"

/**
 * Decodes bytes in pieces. `push` returns the text so far, `end` the rest; call `end` once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Decoder {
  readonly push: (bytes: Uint8Array) => string
  readonly end: () => string
}

/** Decided by the byte order mark. Without one, by the NUL that UTF-16 has before or after a first character of ASCII. */
const encodingOf = ([first, second]: Uint8Array): string => {
  if (first === 0xff && second === 0xfe) return "utf-16le"
  if (first === 0xfe && second === 0xff) return "utf-16be"
  if (first === undefined || second === undefined || (first === 0) === (second === 0)) return "utf-8"
  return second === 0 ? "utf-16le" : "utf-16be"
}

/**
 * Makes a decoder for UTF-8 and UTF-16, in either byte order, with or without a byte order mark.
 *
 * **Details**
 *
 * A byte order mark decides the encoding and is removed. Without one, the text is UTF-16 if one of its first two bytes is
 * NUL, and otherwise UTF-8. Malformed parts become U+FFFD.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDecoder = (): Decoder => {
  let decoder: TextDecoder | undefined
  /** The bytes before the encoding is known. */
  let head = new Uint8Array(0)

  const push = (bytes: Uint8Array): string => {
    if (decoder !== undefined) return decoder.decode(bytes, { stream: true })
    head = Bytes.concat([head, bytes])
    if (head.length < 2) return ""
    decoder = new TextDecoder(encodingOf(head))
    return decoder.decode(head, { stream: true })
  }

  const end = (): string => (decoder === undefined ? new TextDecoder().decode(head) : decoder.decode())

  return { push, end }
}

/**
 * Decodes a complete text, such as the content of a token file.
 *
 * **Example** (Decoding a file that PowerShell wrote)
 *
 * @example
 * ```ts
 * import * as TextEncoding from "@live-response/core/TextEncoding"
 *
 * const fromPowerShell = Uint8Array.of(0xff, 0xfe, 0x68, 0x00, 0x69, 0x00)
 * console.log(TextEncoding.decode(fromPowerShell)) // hi
 * ```
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array): string => new TextDecoder(encodingOf(bytes)).decode(bytes)

/**
 * Decodes a stream of bytes.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeStream = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<string, E, R> =>
  bytes.pipe(
    Stream.mapAccum(makeDecoder, (decoder, chunk) => [decoder, [decoder.push(chunk)]] as const, {
      onHalt: (decoder) => [decoder.end()],
    }),
    Stream.filter((text) => text !== ""),
  )
