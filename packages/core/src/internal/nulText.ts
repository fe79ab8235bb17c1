import { withoutEnd } from "./text.ts"

/** So many of a text's first characters decide whether it is UTF-16. */
const sampleLength = 4096

/**
 * Whether text is UTF-16LE each of whose bytes was taken for a character: NULs are on odd places mostly, and either they
 * are many (half of the text where it is Latin), or other controls are, of which text has few.
 */
const looksLikeUtf16 = (sample: string): boolean => {
  const text = withoutEnd(sample, "\u0000")
  if (/[^\u0000-\u00ff]/.test(text)) return false
  let nuls = 0
  let highNuls = 0
  let controls = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0) {
      nuls++
      if (i % 2 === 1) highNuls++
    } else if (code < 9 || (code > 13 && code < 32) || (code > 127 && code < 160)) controls++
  }
  return highNuls * 2 > nuls && (nuls * 4 >= text.length - 1 || controls * 20 >= text.length)
}

/** Text in the making. `end` comes once. */
export interface Text {
  readonly push: (piece: string) => void
  readonly end: () => void
}

/** Surrogates that belong together come out together. */
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

/** Low bytes and high bytes in turn, as characters. `end` takes a high byte that is missing for a NUL. */
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
 * Text without NULs, which mean nothing in it: they are padding, or one half of UTF-16 that was read byte by byte. The
 * first 4,096 characters decide which; if UTF-16, then up to the first character that is no byte.
 */
export const make = (emit: (piece: string) => void): Text => {
  const out = pairing(emit)
  const plain = (piece: string) => out.push(piece.includes("\u0000") ? piece.replaceAll("\u0000", "") : piece)
  let sample: string | undefined = ""
  let wide: Text | undefined

  const pass = (piece: string): void => {
    if (wide === undefined) return plain(piece)
    const stop = piece.search(/[^\u0000-\u00ff]/)
    if (stop < 0) return wide.push(piece)
    wide.push(piece.slice(0, stop))
    wide.end()
    wide = undefined
    plain(piece.slice(stop))
  }

  const decide = (): void => {
    if (sample === undefined) return
    const held = sample
    sample = undefined
    if (looksLikeUtf16(held.slice(0, sampleLength))) wide = utf16(plain)
    pass(held)
  }

  return {
    push: (piece) => {
      if (sample === undefined) return pass(piece)
      sample += piece
      if (sample.length >= sampleLength) decide()
    },
    end: () => {
      decide()
      wide?.end()
      out.end()
    },
  }
}
