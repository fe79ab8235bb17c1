/**
 * Forms of the JSON that this project itself writes, which are matched on bytes: without a string, an object or an array of
 * what is read.
 *
 * A form matches less than a schema accepts, and nothing that a schema refuses: members in one order, no white space, no
 * member that is not known. What does not match is read with the schema, so that a form changes the speed alone.
 */

/** Returns the position after the value that starts at `at`, or -1 where the bytes there do not have the form. */
export type Form = (bytes: Uint8Array, at: number) => number

export interface Member {
  /** The name with its colon. */
  readonly key: Form
  readonly form: Form
  readonly isOptional: boolean
}

const quote = 0x22
const comma = 0x2c
const minus = 0x2d
const point = 0x2e
const zero = 0x30
const colon = 0x3a
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The value of each hexadecimal digit in lower case, by its code. Of any other byte it is -1. */
const hexDigits = Int8Array.from({ length: 256 }, (_, code) => "0123456789abcdef".indexOf(String.fromCharCode(code)))

const hexDigit = (code: number): number => hexDigits[code] ?? -1

/** The value of four hexadecimal digits in lower case. It is negative where there is another character. */
export const fourDigits = (bytes: Uint8Array, start: number): number =>
  (hexDigit(at(bytes, start)) << 12) |
  (hexDigit(at(bytes, start + 1)) << 8) |
  (hexDigit(at(bytes, start + 2)) << 4) |
  hexDigit(at(bytes, start + 3))

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

const at = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0

/** Exactly these characters. */
export const text = (expected: string): Form => {
  const codes = encode(expected)
  const { length } = codes
  return (bytes, start) => {
    for (let i = 0; i < length; i++) if (bytes[start + i] !== codes[i]) return -1
    return start + length
  }
}

/** Exactly this value. */
export const literal = (value: string | number | boolean | null): Form => text(JSON.stringify(value))

/** The first of the forms that matches. */
export const oneOf =
  (...forms: ReadonlyArray<Form>): Form =>
  (bytes, start) => {
    for (const form of forms) {
      const end = form(bytes, start)
      if (end >= 0) return end
    }
    return -1
  }

/** What may follow a backslash, without `u`. */
const escapes: ReadonlySet<number> = new Set(encode('"\\/bfnrt'))

/** The position of the last byte of the escape whose backslash is there, or -1. */
const endOfEscape = (bytes: Uint8Array, start: number): number => {
  const code = at(bytes, start + 1)
  if (escapes.has(code)) return start + 1
  if (code !== 0x75) return -1
  for (let i = start + 2; i < start + 6; i++) {
    const digit = at(bytes, i)
    if (hexDigit(digit) < 0 && hexDigit(digit | 0x20) < 0) return -1
  }
  return start + 5
}

/** Any text. Bytes that are not UTF-8 are: every reader of this project replaces them. */
export const string: Form = (bytes, start) => {
  if (bytes[start] !== quote) return -1
  for (let end = start + 1; end < bytes.length; end++) {
    const code = at(bytes, end)
    if (code === quote) return end + 1
    if (code < 0x20) return -1
    if (code !== backslash) continue
    end = endOfEscape(bytes, end)
    if (end < 0) return -1
  }
  return -1
}

/** The end of the digits from `start` on, of which there are at most 15, so that they are a safe integer. */
const endOfDigits = (bytes: Uint8Array, start: number): number => {
  let end = start
  while (isDigit(at(bytes, end))) end++
  return end > start && end - start <= 15 ? end : -1
}

/** A whole number that is not negative. */
export const count: Form = (bytes, start) => {
  const end = endOfDigits(bytes, start)
  return bytes[start] === zero && end !== start + 1 ? -1 : end
}

/** A number without an exponent. */
export const number: Form = (bytes, start) => {
  const whole = count(bytes, bytes[start] === minus ? start + 1 : start)
  return whole >= 0 && bytes[whole] === point ? endOfDigits(bytes, whole + 1) : whole
}

/** The value of the digits there. */
export const digitsAt = (bytes: Uint8Array, start: number): number => {
  let value = 0
  for (let i = start; isDigit(at(bytes, i)); i++) value = value * 10 + at(bytes, i) - zero
  return value
}

/** A GUID in lower case. */
export const guid: Form = (bytes, start) => {
  const digits =
    fourDigits(bytes, start + 1) |
    fourDigits(bytes, start + 5) |
    fourDigits(bytes, start + 10) |
    fourDigits(bytes, start + 15) |
    fourDigits(bytes, start + 20) |
    fourDigits(bytes, start + 25) |
    fourDigits(bytes, start + 29) |
    fourDigits(bytes, start + 33)
  const isGuid =
    digits >= 0 &&
    bytes[start] === quote &&
    bytes[start + 9] === minus &&
    bytes[start + 14] === minus &&
    bytes[start + 19] === minus &&
    bytes[start + 24] === minus &&
    bytes[start + 37] === quote
  return isGuid ? start + 38 : -1
}

/** The value of two digits, or 100 where there is another character. */
const two = (bytes: Uint8Array, start: number): number => {
  const tens = at(bytes, start) - zero
  const ones = at(bytes, start + 1) - zero
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : 100
}

/** Whether what stands between the numbers of an instant is there. */
const isInstant = (bytes: Uint8Array, start: number): boolean =>
  bytes[start] === quote &&
  bytes[start + 5] === minus &&
  bytes[start + 8] === minus &&
  bytes[start + 11] === 0x54 &&
  bytes[start + 14] === colon &&
  bytes[start + 17] === colon &&
  bytes[start + 20] === point &&
  bytes[start + 24] === 0x5a &&
  bytes[start + 25] === quote

/** An instant as `Date.toISOString` writes it. The last days of a month do not match. */
export const instant: Form = (bytes, start) => {
  if (!isInstant(bytes, start)) return -1
  const month = two(bytes, start + 6)
  const day = two(bytes, start + 9)
  const isReal =
    two(bytes, start + 1) < 100 &&
    two(bytes, start + 3) < 100 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= (month === 2 ? 28 : 30) &&
    two(bytes, start + 12) <= 23 &&
    two(bytes, start + 15) <= 59 &&
    two(bytes, start + 18) <= 59 &&
    endOfDigits(bytes, start + 21) === start + 24
  return isReal ? start + 26 : -1
}

export const required = (name: string, form: Form): Member => ({
  key: text(`${JSON.stringify(name)}:`),
  form,
  isOptional: false,
})

export const optional = (name: string, form: Form): Member => ({ ...required(name, form), isOptional: true })

/** An object with these members in this order. */
export const object =
  (...members: ReadonlyArray<Member>): Form =>
  (bytes, start) => {
    if (bytes[start] !== openBrace) return -1
    let end = start + 1
    for (let i = 0; i < members.length; i++) {
      const member = members[i]
      if (member === undefined) return -1
      const isFirst = end === start + 1
      const value = isFirst || bytes[end] === comma ? member.key(bytes, isFirst ? end : end + 1) : -1
      if (value < 0 && member.isOptional) continue
      end = value < 0 ? -1 : member.form(bytes, value)
      if (end < 0) return -1
    }
    return bytes[end] === closeBrace ? end + 1 : -1
  }

/** What stands between brackets, separated by commas. */
const list =
  (open: number, close: number, item: Form): Form =>
  (bytes, start) => {
    if (bytes[start] !== open) return -1
    if (bytes[start + 1] === close) return start + 2
    let end = start
    do {
      end = item(bytes, end + 1)
      if (end < 0) return -1
    } while (bytes[end] === comma)
    return bytes[end] === close ? end + 1 : -1
  }

export const array = (item: Form): Form => list(openBracket, closeBracket, item)

/** An object with any names. */
export const record = (value: Form): Form =>
  list(openBrace, closeBrace, (bytes, start) => {
    const end = string(bytes, start)
    return end >= 0 && bytes[end] === colon ? value(bytes, end + 1) : -1
  })

const scalar = oneOf(string, number, literal(true), literal(false), literal(null))

/** Any JSON that nests at most `depth` deep. */
export const json = (depth: number): Form => {
  if (depth === 0) return scalar
  const inner = json(depth - 1)
  return oneOf(scalar, array(inner), record(inner))
}
