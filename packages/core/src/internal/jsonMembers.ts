/** What a member of the object has for a value. What is inside of `nested` is checked and skipped. */
export type Value = "string" | "nested" | number | boolean | null

export interface Handler {
  /** A member's value begins, or is there as a whole where it is no string. */
  readonly value: (key: string, value: Value) => void
  /** More of the string that was announced last. */
  readonly text: (piece: string) => void
  /** That string is complete. */
  readonly textEnd: () => void
}

/** Each answers with what is wrong, and is not to be asked again then. */
export interface Parser {
  readonly push: (text: string) => string | undefined
  readonly end: () => string | undefined
}

/** Longer keys are cut, longer numbers and deeper nesting are refused: memory has a bound whatever comes. */
const longestKey = 64
const longestToken = 1000
const deepest = 10_000

const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

const words = new Map<string, Value>([
  ["true", true],
  ["false", false],
  ["null", null],
])

/** What is meant, by the code of what stands behind a backslash. */
const escapes: Array<string> = Array.from({ length: 128 }, (_, code) => {
  const i = '"\\/bfnrt'.indexOf(String.fromCharCode(code))
  return i < 0 ? "" : '"\\/\b\f\n\r\t'.charAt(i)
})

const isSpace = (code: number) => code === 32 || code === 10 || code === 13 || code === 9

const isTokenCode = (code: number) =>
  (code >= 48 && code <= 57) || (code >= 97 && code <= 122) || code === 43 || code === 45 || code === 46 || code === 69

const hexDigit = (code: number): number => {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

/** A character as a message may have it. What is not ASCII could do anything to a terminal. */
const show = (character: string): string =>
  /^[!-~]$/.test(character) ? character : `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`

/** `first*` is where a closing bracket may stand as well. */
type Mode =
  | "start"
  | "firstKey"
  | "key"
  | "colon"
  | "firstItem"
  | "value"
  | "next"
  | "done"
  | "string"
  | "escape"
  | "unicode"
  | "token"

/**
 * Reads the JSON text of one object in pieces that are cut anywhere, and tells of its own members, not of nested ones.
 * What `JSON.parse` takes comes out as it does there. Taken as well are raw control characters inside strings, and NULs
 * and any white space behind the object. A NUL inside of an escape is passed over: it is the other half of UTF-16.
 *
 * A piece is held until it is read, and so is its part of a member's text: pieces should be of a moderate length.
 */
export const make = (handler: Handler): Parser => {
  let mode: Mode = "start"
  /** Of each bracket that is open, whether it is one of an array. */
  const nesting: Array<boolean> = []
  let isKey = false
  let key = ""
  let token = ""
  let pieces: Array<string> = []
  /** The escape `\uXXXX` under way: its value and the number of its digits. */
  let unit = 0
  let digits = 0
  /** The piece under way, how many characters came before it, and where its next quote and backslash are. */
  let text = ""
  let before = 0
  let quote = -1
  let backslash = -1

  const wrong = (what: string, i: number): string => `${what} at character ${before + i}`

  const unexpected = (i: number): string => wrong(`${show(text.charAt(i))} is out of place`, i)

  const add = (piece: string): void => {
    if (nesting.length > 1) return
    if (!isKey) pieces.push(piece)
    else if (key.length < longestKey) key += piece.slice(0, longestKey)
  }

  const flush = (): void => {
    const [only = ""] = pieces
    if (pieces.length > 0) handler.text(pieces.length === 1 ? only : pieces.join(""))
    pieces = []
  }

  const value = (of: Value): void => {
    if (nesting.length === 1) handler.value(key, of)
  }

  const open = (isArray: boolean, i: number): string | undefined => {
    if (nesting.length === deepest) return wrong(`nested more than ${deepest} deep`, i)
    value("nested")
    nesting.push(isArray)
    mode = isArray ? "firstItem" : "firstKey"
    return undefined
  }

  const close = (): void => {
    nesting.pop()
    mode = nesting.length === 0 ? "done" : "next"
  }

  const structure = (code: number, i: number): string | undefined => {
    if (isSpace(code)) return undefined
    switch (mode) {
      case "start":
        if (code !== 123) return wrong(`begins with ${show(text.charAt(i))} and not with {,`, i)
        nesting.push(false)
        mode = "firstKey"
        return undefined
      case "firstKey":
      case "key":
        if (code === 125 && mode === "firstKey") close()
        else if (code === 34) {
          isKey = true
          if (nesting.length === 1) key = ""
          mode = "string"
        } else return unexpected(i)
        return undefined
      case "colon":
        if (code !== 58) return unexpected(i)
        mode = "value"
        return undefined
      case "next":
        if (code === 44) mode = nesting.at(-1) === true ? "value" : "key"
        else if (code === (nesting.at(-1) === true ? 93 : 125)) close()
        else return unexpected(i)
        return undefined
      case "done":
        return code === 0 || text.charAt(i).trim() === ""
          ? undefined
          : wrong(`${show(text.charAt(i))} behind the closing brace,`, i)
      default:
        if (code === 34) {
          isKey = false
          value("string")
          mode = "string"
        } else if (code === 123) return open(false, i)
        else if (code === 91) return open(true, i)
        else if (code === 93 && mode === "firstItem") close()
        else return unexpected(i)
        return undefined
    }
  }

  /** Takes an escape that is complete in this piece, from behind its backslash, and tells where it ends; or else -1. */
  const wholeEscape = (from: number): number => {
    const code = text.charCodeAt(from)
    const meant = escapes[code] ?? ""
    if (meant !== "") {
      add(meant)
      return from + 1
    }
    if (code !== 117 || from + 5 > text.length) return -1
    let unit = 0
    for (let i = from + 1; i < from + 5; i++) {
      const digit = hexDigit(text.charCodeAt(i))
      if (digit < 0) return -1
      unit = unit * 16 + digit
    }
    add(String.fromCharCode(unit))
    return from + 5
  }

  /** To the closing quote, to an escape that is not as usual, or to the end. */
  const readString = (start: number): number => {
    let from = start
    while (from < text.length) {
      if (quote < from) quote = text.indexOf('"', from)
      if (quote < 0) quote = text.length
      if (backslash < from) backslash = text.indexOf("\\", from)
      if (backslash < 0) backslash = text.length
      const to = Math.min(quote, backslash)
      if (to > from) add(text.slice(from, to))
      if (to === text.length) return to
      if (to === quote) {
        endString()
        return to + 1
      }
      from = wholeEscape(to + 1)
      if (from < 0) {
        mode = "escape"
        return to + 1
      }
    }
    return from
  }

  const endString = (): void => {
    mode = isKey ? "colon" : "next"
    if (isKey || nesting.length > 1) return
    flush()
    handler.textEnd()
  }

  const readEscape = (code: number, i: number): string | undefined => {
    if (code === 0) return undefined
    if (mode === "escape") {
      const character = text.charAt(i)
      const meant = code < 32 ? `\\${character}` : (escapes[code] ?? "")
      if (code === 117) {
        mode = "unicode"
        unit = 0
        digits = 0
      } else if (meant === "") return wrong(`\\${show(character)} is no escape,`, i)
      else {
        add(meant)
        mode = "string"
      }
      return undefined
    }
    const digit = hexDigit(code)
    if (digit < 0) return wrong(`${show(text.charAt(i))} is no hexadecimal digit,`, i)
    unit = unit * 16 + digit
    if (++digits === 4) {
      add(String.fromCharCode(unit))
      mode = "string"
    }
    return undefined
  }

  /** A number or a word, from the piece's place `from` on: as far as it goes, and complete where the piece goes on. */
  const readToken = (from: number): number => {
    let to = from
    while (to < text.length && isTokenCode(text.charCodeAt(to))) to++
    token += text.slice(from, Math.min(to, from + longestToken + 1))
    if (to < text.length) mode = "next"
    return to
  }

  const endToken = (i: number): string | undefined => {
    if (token.length > longestToken) return wrong(`a number of more than ${longestToken} characters`, i)
    if (mode === "token") return undefined
    const word = words.get(token)
    if (word === undefined && !number.test(token)) return wrong("no number and no word of JSON ends", i)
    value(word === undefined ? Number(token) : word)
    return undefined
  }

  const push = (piece: string): string | undefined => {
    text = piece
    quote = -1
    backslash = -1
    let i = 0
    while (i < text.length) {
      let problem: string | undefined
      if (mode === "string") i = readString(i)
      else {
        const code = text.charCodeAt(i)
        if ((mode === "value" || mode === "firstItem") && isTokenCode(code)) {
          mode = "token"
          token = ""
        }
        if (mode === "token") {
          i = readToken(i)
          problem = endToken(i)
        } else {
          problem = mode === "escape" || mode === "unicode" ? readEscape(code, i) : structure(code, i)
          i++
        }
      }
      if (problem !== undefined) return problem
    }
    flush()
    before += text.length
    text = ""
    return undefined
  }

  const end = (): string | undefined => {
    if (mode === "done") return undefined
    return mode === "start" ? "it is empty" : `it ends at character ${before}, before the closing brace`
  }

  return { push, end }
}
