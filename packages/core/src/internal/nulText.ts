/** Removes NULs from text in pieces, and decodes UTF-16 whose bytes were read as characters. */
import { withoutEnd } from "./text.ts"

/** How many of the first characters of a text decide whether it is UTF-16. */
const sampleLength = 4096

/** Whether a character may be in text of ASCII. */
const isReadable = (code: number): boolean => (code >= 32 && code < 127) || (code >= 9 && code <= 13)

/**
 * Whether each character of a text is a byte of UTF-16LE. Then most NULs are at odd positions, and either NULs are frequent
 * (half of Latin text), or other control characters are, which are rare in text. And few of its pairs can be read as they are:
 * otherwise a machine could hide what it printed behind one NUL.
 */
const looksLikeUtf16 = (sample: string): boolean => {
  const text = withoutEnd(sample, "\u0000")
  if (/[^\u0000-\u00ff]/.test(text)) return false
  const count = { nuls: 0, highNuls: 0, controls: 0, readable: 0, unreadable: 0 }
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (i % 2 === 1 && code !== 0) {
      if (isReadable(code) && isReadable(text.charCodeAt(i - 1))) count.readable++
      else count.unreadable++
    }
    if (code === 0) {
      count.nuls++
      if (i % 2 === 1) count.highNuls++
    } else if (code < 9 || (code > 13 && code < 32) || (code > 127 && code < 160)) count.controls++
  }
  return (
    count.highNuls * 2 > count.nuls &&
    count.readable <= count.unreadable &&
    (count.nuls * 4 >= text.length - 1 || count.controls * 20 >= text.length)
  )
}

/** Receives a text in pieces. `end` is called once. */
export interface Text {
  readonly push: (piece: string) => void
  readonly end: () => void
}

/** Emits both halves of a surrogate pair together. */
const pairing = (emit: (piece: string) => void): Text => {
  let high = ""
  return {
    push: (piece) => {
      const text = high + piece
      const last = text.charCodeAt(text.length - 1)
      high = last >= 0xd800 && last < 0xdc00 ? text.slice(-1) : ""
      const whole = high === "" ? text : text.slice(0, -1)
      if (whole !== "") emit(whole)
    },
    end: () => {
      if (high !== "") emit(high)
    },
  }
}

/** Decodes UTF-16LE whose bytes are characters. `end` completes half a character with a NUL. */
const utf16 = (emit: (piece: string) => void): Text => {
  const decoder = new TextDecoder("utf-16le")
  let isOdd = false
  return {
    push: (piece) => {
      if (piece.length % 2 === 1) isOdd = !isOdd
      const bytes = new Uint8Array(piece.length)
      for (let i = 0; i < piece.length; i++) bytes[i] = piece.charCodeAt(i)
      emit(decoder.decode(bytes, { stream: true }))
    },
    end: () => emit(decoder.decode(new Uint8Array(isOdd ? 1 : 0))),
  }
}

/**
 * Emits a text without NULs. They are padding, or the high bytes of UTF-16 that was read byte by byte: the first 4,096
 * characters decide which. UTF-16 ends at the first character that is too large for a byte.
 */
export const make = (emit: (piece: string) => void): Text => {
  const out = pairing(emit)
  const plain = (piece: string) => out.push(piece.includes("\u0000") ? piece.replaceAll("\u0000", "") : piece)
  /** What was read before the decision; `undefined` after it. */
  let sample: string | undefined = ""
  let decoder: Text | undefined

  const pass = (piece: string): void => {
    if (decoder === undefined) return plain(piece)
    const end = piece.search(/[^\u0000-\u00ff]/)
    if (end < 0) return decoder.push(piece)
    decoder.push(piece.slice(0, end))
    decoder.end()
    decoder = undefined
    plain(piece.slice(end))
  }

  const decide = (): void => {
    if (sample === undefined) return
    const text = sample
    sample = undefined
    if (looksLikeUtf16(text.slice(0, sampleLength))) decoder = utf16(plain)
    pass(text)
  }

  return {
    push: (piece) => {
      if (sample === undefined) return pass(piece)
      sample += piece
      if (sample.length >= sampleLength) decide()
    },
    end: () => {
      decide()
      decoder?.end()
      out.end()
    },
  }
}
