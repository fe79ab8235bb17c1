// Foreign text must not keep the program busy. It may have megabytes, and a regular expression that backtracks takes the square
// of that time. This test times each regular expression in the sources on texts that are meant to slow it down.
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, test } from "vitest"

const repository = fileURLToPath(new URL("..", import.meta.url))

const comment = /#!.*|\/\/.*|\/\*[\s\S]*?\*\//y
const string = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/y
const template = /[`}](?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{)/y
const literal = /\/((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/*\\[\n])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])*)\/([a-z]*)/y
const word = /[\w$]+/y
const rest = /\s+|[\s\S]/y

/** Whether a slash behind this token divides. */
const isValue = (token) => /[)\]"'`\w$]$/.test(token) && !/^(?:return|typeof|case|in|of|yield|await)$/.test(token)

/** The regular expressions in TypeScript. */
const literalsIn = (code) => {
  const found = []
  /** Whether each open brace belongs to a template. */
  const braces = []
  let last = ""
  for (let at = 0; at < code.length;) {
    const take = (pattern) => {
      pattern.lastIndex = at
      return pattern.exec(code)
    }
    const isTemplate = code[at] === "`" || (code[at] === "}" && braces.at(-1) === true)
    const skipped = take(comment)
    const expression = skipped === null && !isValue(last) ? take(literal) : null
    const token =
      skipped ?? expression ?? take(string) ?? (isTemplate ? take(template) : undefined) ?? take(word) ?? take(rest)
    const [text] = token
    if (expression !== null) found.push(new RegExp(expression[1], expression[2]))
    if (text.startsWith("}")) braces.pop()
    if (text === "{" || (isTemplate && text.endsWith("${"))) braces.push(text !== "{")
    if (skipped === null && text.trim() !== "") last = text
    at += text.length
  }
  return found
}

/** The literal words in an expression. */
const wordsOf = ({ source }) => source.replaceAll(/\\[a-z]|\\p\{\w+\}|\(\?[:!=<]+/gi, " ").match(/[\w: ]{2,}/g) ?? []

/** What a slow text repeats: characters that expressions often repeat, and the expression's own words. */
const piecesFor = (expression) => [
  ...` \t\r\n\0\u0007"'/\\.,;:=-@aEZ09é\uFEFF\u200B\uD83D`,
  "\r\n",
  "a.",
  "a ",
  "a:",
  "' ",
  "''",
  '" ',
  " /",
  "1/",
  " a",
  "; ",
  "=;",
  ...wordsOf(expression),
]

/** The start of a text, where the expression may begin to match. `ends` are those where it may fail to. */
const startsFor = (expression) => ["", "a", ...wordsOf(expression)]
const ends = ["", "!", "\n", "\u0001", "a"]

const millis = (expression, text) => {
  const start = performance.now()
  expression.lastIndex = 0
  if (expression.global) text.replaceAll(expression, "")
  else expression.exec(text)
  return performance.now() - start
}

/**
 * Whether twice the text takes four times as long. The first measurement is cheap, but a busy machine can spoil it, so a slow one
 * is repeated. Some expressions take twice as long for each further character: they are found with a short text, because they
 * would never return from a long one.
 */
const isSlow = (expression, textOf) => {
  const quickest = (length) => Math.min(...[1, 2, 3].map(() => millis(expression, textOf(length))))
  // Two further characters take four times as long, so one of these lengths is slow enough, and none takes forever.
  if ([20, 22, 24, 26, 28].some((length) => millis(expression, textOf(length)) > 20 && quickest(length) > 20))
    return true
  if (millis(expression, textOf(10_000)) <= 8) return false
  const once = quickest(10_000)
  return once > 8 && quickest(20_000) > 2.8 * once
}

/** Describes a text on which an expression is slow, if there is one. */
const slowText = (expression) => {
  for (const piece of piecesFor(expression)) {
    for (const start of startsFor(expression)) {
      for (const end of ends) {
        const textOf = (length) => start + piece.repeat(Math.ceil(length / piece.length)) + end
        if (isSlow(expression, textOf)) return `${start}${piece}…${end}`
      }
    }
  }
  return undefined
}

const sources = globSync("packages/*/src/**/*.ts", { cwd: repository })
const expressions = sources.flatMap((path) => {
  const code = readFileSync(join(repository, path), "utf8")
  return literalsIn(code).map((expression) => ({ path, expression }))
})

describe("regular expressions", () => {
  test("are found in the sources, also in templates", () => {
    const code = 'const a = b / c / d // /no/\n`${e.replace(/x"/g, `${/y/}`)} /no/` + "/no/" + (/[/]z/u)'
    assert.deepStrictEqual(literalsIn(code).map(String), ['/x"/g', "/y/", "/[/]z/u"])
    assert.isAbove(expressions.length, 60)
  })

  test("are written as literals, so that this test finds them", () => {
    const constructed = sources.filter((path) => /\bRegExp\(/.test(readFileSync(join(repository, path), "utf8")))
    assert.deepStrictEqual(constructed, [])
  })

  test("are recognized if they take the square of the length of the text", () => {
    for (const slow of [/\0+$/, /^"+|"+$/g, /\s+$/, /^(a+)+$/]) assert.isDefined(slowText(slow), String(slow))
    for (const quick of [/\0$/, /^\s*a/, /[^\0-\xff]/, /\s+/g]) assert.isUndefined(slowText(quick), String(quick))
  })

  test("of the program take time in proportion to the text", () => {
    const slow = expressions.flatMap(({ expression, path }) => {
      const text = slowText(expression)
      return text === undefined ? [] : [`${path}: ${expression} on ${JSON.stringify(text)}`]
    })
    assert.deepStrictEqual(slow, [])
  })
})
