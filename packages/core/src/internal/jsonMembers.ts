/** The value of a member. The contents of `nested` are checked and skipped. */
export type Value = "string" | "nested" | number | boolean | null

export interface Handler {
  /** The value of a member. The text of a string follows. */
  readonly value: (key: string, value: Value) => void
  /** A piece of the string that was announced last. */
  readonly text: (piece: string) => void
  /** That string is complete. */
  readonly textEnd: () => void
}

/** Each function returns what is wrong. After that the parser must not be used. */
export interface Parser {
  readonly push: (text: string) => string | undefined
  readonly end: () => string | undefined
}

/** Longer keys are cut, and longer numbers and deeper nesting are refused, so that memory is bounded. */
const longestKey = 64
const longestToken = 1000
const deepest = 10_000

const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

const words = new Map<string, Value>([
  ["true", true],
  ["false", false],
  ["null", null],
])

/** The meaning of an escape, by the code of the character after its backslash. */
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

/** A character for a message. What is not ASCII could control a terminal. */
const show = (character: string): string =>
  /^[!-~]$/.test(character) ? character : `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`

/** What is expected next. After an opening bracket (`first…`) that may be its closing one. */
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
 * Reads the JSON text of one object in pieces that are cut anywhere, and reports the object's own members, not nested ones.
 *
 * What `JSON.parse` accepts has the same meaning here. Raw control characters inside strings are accepted as well, and so
 * are NULs and any white space after the object. A NUL inside an escape is skipped: it is the other half of UTF-16.
 *
 * A piece is held until it is read, and so is its part of a member's text: pieces should be of a moderate length.
 */
export const make = (handler: Handler): Parser => new MemberParser(handler)

class MemberParser implements Parser {
  private readonly handler: Handler
  private mode: Mode = "start"
  /** For each open bracket, whether it opens an array. */
  private readonly nesting: Array<boolean> = []
  private isKey = false
  private key = ""
  private token = ""
  private pieces: Array<string> = []
  /** The escape `\uXXXX` that is being read: its value and the number of its digits. */
  private unit = 0
  private digits = 0
  /** The piece that is being read, the number of characters before it, and the positions of its next quote and backslash. */
  private piece = ""
  private before = 0
  private quote = -1
  private backslash = -1

  constructor(handler: Handler) {
    this.handler = handler
  }

  push(piece: string): string | undefined {
    this.piece = piece
    this.quote = -1
    this.backslash = -1
    let i = 0
    while (i < piece.length) {
      let problem: string | undefined
      if (this.mode === "string") i = this.readString(i)
      else {
        const code = piece.charCodeAt(i)
        if ((this.mode === "value" || this.mode === "firstItem") && isTokenCode(code)) {
          this.mode = "token"
          this.token = ""
        }
        if (this.mode === "token") {
          i = this.readToken(i)
          problem = this.endToken(i)
        } else {
          problem =
            this.mode === "escape" || this.mode === "unicode" ? this.readEscape(code, i) : this.readStructure(code, i)
          i++
        }
      }
      if (problem !== undefined) return problem
    }
    this.flush()
    this.before += piece.length
    this.piece = ""
    return undefined
  }

  end(): string | undefined {
    if (this.mode === "done") return undefined
    return this.mode === "start" ? "it is empty" : `it ends at character ${this.before}, before the closing brace`
  }

  private wrong(what: string, i: number): string {
    return `${what} at character ${this.before + i}`
  }

  private unexpected(i: number): string {
    return this.wrong(`${show(this.piece.charAt(i))} is out of place`, i)
  }

  private add(text: string): void {
    if (this.nesting.length > 1) return
    if (!this.isKey) this.pieces.push(text)
    else if (this.key.length < longestKey) this.key += text.slice(0, longestKey)
  }

  private flush(): void {
    const { pieces } = this
    const [only = ""] = pieces
    if (pieces.length > 0) this.handler.text(pieces.length === 1 ? only : pieces.join(""))
    this.pieces = []
  }

  private report(value: Value): void {
    if (this.nesting.length === 1) this.handler.value(this.key, value)
  }

  private open(isArray: boolean, i: number): string | undefined {
    if (this.nesting.length === deepest) return this.wrong(`nested more than ${deepest} deep`, i)
    this.report("nested")
    this.nesting.push(isArray)
    this.mode = isArray ? "firstItem" : "firstKey"
    return undefined
  }

  private close(): void {
    this.nesting.pop()
    this.mode = this.nesting.length === 0 ? "done" : "next"
  }

  private readStructure(code: number, i: number): string | undefined {
    if (isSpace(code)) return undefined
    switch (this.mode) {
      case "start":
        if (code !== 123) return this.wrong(`begins with ${show(this.piece.charAt(i))} and not with {,`, i)
        this.nesting.push(false)
        this.mode = "firstKey"
        return undefined
      case "firstKey":
      case "key":
        if (code === 125 && this.mode === "firstKey") this.close()
        else if (code === 34) this.startKey()
        else return this.unexpected(i)
        return undefined
      case "colon":
        if (code !== 58) return this.unexpected(i)
        this.mode = "value"
        return undefined
      case "next":
        if (code === 44) this.mode = this.nesting.at(-1) === true ? "value" : "key"
        else if (code === (this.nesting.at(-1) === true ? 93 : 125)) this.close()
        else return this.unexpected(i)
        return undefined
      case "done":
        return code === 0 || this.piece.charAt(i).trim() === ""
          ? undefined
          : this.wrong(`${show(this.piece.charAt(i))} behind the closing brace,`, i)
      default:
        return this.readValue(code, i)
    }
  }

  private startKey(): void {
    this.isKey = true
    if (this.nesting.length === 1) this.key = ""
    this.mode = "string"
  }

  private readValue(code: number, i: number): string | undefined {
    if (code === 34) {
      this.isKey = false
      this.report("string")
      this.mode = "string"
    } else if (code === 123) return this.open(false, i)
    else if (code === 91) return this.open(true, i)
    else if (code === 93 && this.mode === "firstItem") this.close()
    else return this.unexpected(i)
    return undefined
  }

  /** Reads to the closing quote, to an escape that {@link wholeEscape} can't read, or to the end of the piece. */
  private readString(start: number): number {
    const { piece } = this
    let from = start
    while (from < piece.length) {
      if (this.quote < from) this.quote = piece.indexOf('"', from)
      if (this.quote < 0) this.quote = piece.length
      if (this.backslash < from) this.backslash = piece.indexOf("\\", from)
      if (this.backslash < 0) this.backslash = piece.length
      const to = Math.min(this.quote, this.backslash)
      if (to > from) this.add(piece.slice(from, to))
      if (to === piece.length) return to
      if (to === this.quote) {
        this.endString()
        return to + 1
      }
      from = this.wholeEscape(to + 1)
      if (from < 0) {
        this.mode = "escape"
        return to + 1
      }
    }
    return from
  }

  private endString(): void {
    this.mode = this.isKey ? "colon" : "next"
    if (this.isKey || this.nesting.length > 1) return
    this.flush()
    this.handler.textEnd()
  }

  /** Reads an escape that this piece has as a whole, from after its backslash. Returns its end, or -1. */
  private wholeEscape(from: number): number {
    const { piece } = this
    const code = piece.charCodeAt(from)
    const meaning = escapes[code] ?? ""
    if (meaning !== "") {
      this.add(meaning)
      return from + 1
    }
    if (code !== 117 || from + 5 > piece.length) return -1
    let unit = 0
    for (let i = from + 1; i < from + 5; i++) {
      const digit = hexDigit(piece.charCodeAt(i))
      if (digit < 0) return -1
      unit = unit * 16 + digit
    }
    this.add(String.fromCharCode(unit))
    return from + 5
  }

  /** Reads one character of an escape. */
  private readEscape(code: number, i: number): string | undefined {
    if (code === 0) return undefined
    return this.mode === "escape" ? this.startEscape(code, i) : this.readUnicode(code, i)
  }

  private startEscape(code: number, i: number): string | undefined {
    const character = this.piece.charAt(i)
    const meaning = code < 32 ? `\\${character}` : (escapes[code] ?? "")
    if (code === 117) {
      this.mode = "unicode"
      this.unit = 0
      this.digits = 0
    } else if (meaning === "") return this.wrong(`\\${show(character)} is not an escape,`, i)
    else {
      this.add(meaning)
      this.mode = "string"
    }
    return undefined
  }

  private readUnicode(code: number, i: number): string | undefined {
    const digit = hexDigit(code)
    if (digit < 0) return this.wrong(`${show(this.piece.charAt(i))} is not a hexadecimal digit,`, i)
    this.unit = this.unit * 16 + digit
    if (++this.digits === 4) {
      this.add(String.fromCharCode(this.unit))
      this.mode = "string"
    }
    return undefined
  }

  /** Reads a number or a word. It is complete where the piece has more characters. */
  private readToken(from: number): number {
    const { piece } = this
    let to = from
    while (to < piece.length && isTokenCode(piece.charCodeAt(to))) to++
    this.token += piece.slice(from, Math.min(to, from + longestToken + 1))
    if (to < piece.length) this.mode = "next"
    return to
  }

  private endToken(i: number): string | undefined {
    const { token } = this
    if (token.length > longestToken) return this.wrong(`a number of more than ${longestToken} characters`, i)
    if (this.mode === "token") return undefined
    const word = words.get(token)
    if (word === undefined && !number.test(token)) return this.wrong("no number and no word of JSON ends", i)
    this.report(word === undefined ? Number(token) : word)
    return undefined
  }
}
