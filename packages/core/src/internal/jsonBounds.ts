/** Bounds for foreign JSON, which are checked before it is parsed: 60 MB of brackets would need 3 GB of memory. */

/** The API's answers nest six deep. */
const deepest = 64

/** The fullest page has 10,000 actions of some hundred values each. */
const mostValues = 5_000_000

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c

const isOpening = (code: number) => code === 0x5b || code === 0x7b
const isClosing = (code: number) => code === 0x5d || code === 0x7d

/** The position of the closing quote of the string that starts there. */
const endOfString = (json: string, start: number): number => {
  let at = start + 1
  while (at < json.length && json.charCodeAt(at) !== quote) at += json.charCodeAt(at) === backslash ? 2 : 1
  return at
}

/** Says in a few words which bound the text exceeds. Text that is not JSON is left to the parser. */
export const excess = (json: string): string | undefined => {
  let depth = 0
  let values = 0
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === quote) at = endOfString(json, at)
    else if (isClosing(code)) depth--
    else if (code === comma) values++
    else if (isOpening(code)) {
      depth++
      values++
    }
    if (depth > deepest) return `it is nested more than ${deepest} levels deep`
    if (values > mostValues) return `it has more than ${mostValues} values`
  }
  return undefined
}
