import * as Bytes from "effect/Bytes"

/** How many bytes the character has that starts with this byte. */
const lengthOf = (first: number): number => (first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1)

/**
 * Decodes UTF-8 that comes in pieces, as a `TextDecoder` does with `stream`. It is several times as fast, because the decoder
 * of the runtime is fast where a piece ends with a character.
 */
export class Utf8Decoder {
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  /** The first bytes of a character that the last piece cut. */
  private rest = new Uint8Array()
  private isStart = true

  decode(piece: Uint8Array): string {
    const bytes = this.rest.length === 0 ? piece : Bytes.concat([this.rest, piece])
    const end = wholeLength(bytes)
    this.rest = bytes.slice(end)
    return this.text(bytes.subarray(0, end))
  }

  /** The text of the bytes that are left where the input ends inside a character. */
  end(): string {
    return this.text(this.rest)
  }

  /** A byte order mark at the start is not a part of the text. */
  private text(bytes: Uint8Array): string {
    if (bytes.length === 0) return ""
    const text = this.decoder.decode(bytes)
    const start = this.isStart && text.charCodeAt(0) === 0xfeff ? 1 : 0
    this.isStart = false
    return text.slice(start)
  }
}

/** Where the bytes end without the first bytes of a character that is cut. */
const wholeLength = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const code = bytes[bytes.length - back] ?? 0
    if (code >= 0xc0) return lengthOf(code) > back ? bytes.length - back : bytes.length
    if (code < 0x80) return bytes.length
  }
  return bytes.length
}
